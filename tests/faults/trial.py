"""One fault: what is done, and what has to hold after it and after the next run."""

import contextlib
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import time_machine

from pipeline.runners.summaries import runs_of
from tests.faults import state
from tests.faults.harms import HARMS, harm
from tests.faults.processes import Ended, Process, end_orphans
from tests.faults.registry import Registry, troubled
from tests.faults.stories import END
from tests.faults.world import Story, World, mount_memory, read_only, resize

# Their effect lies outside of the store, and they are quick: after a fault in them a run goes on to its end.
_OUTWARD: Final = ("Card", "Pusher", "RegistryPush")
# Of the other runs after a fault so many go on to their end.
_WHOLE: Final = 0.1
_MISSPELT: Final = ("Traceback", "Error(", "<class", "object at 0x")


@dataclass(frozen=True)
class Fault:
    """What is to be done.

    Attributes:
        number: Its place in the campaign.
        kind: A key of `KINDS`.
        story: The run that it happens to.
        step: The step that it happens in, or before.
    """

    number: int
    kind: str
    story: str
    step: str


@dataclass
class Trial:
    """A fault in its own world; its methods are what happens, in order."""

    world: World
    fault: Fault
    story: Story
    draw: Random
    registry: Registry
    detail: str = ""
    outcome: str = ""
    violations: list[str] = field(default_factory=list)
    passed: set[tuple[str, str]] = field(default_factory=set)
    exempt: set[str] = field(default_factory=set)
    """What the fault itself harmed: a version's number, or `registry`."""

    def __post_init__(self) -> None:
        for name in ("first", self.fault.story):
            model, fingerprint, decision = self.world.story(name).judged
            if decision == "PASS":
                self.passed.add((model, fingerprint))
        self.settings: tuple[str, ...] = self.story.settings

    def expect(self, holds: bool, otherwise: str) -> None:
        """Writes down what does not hold."""
        if not holds:
            self.violations.append(otherwise)

    @property
    def _far(self) -> str | None:
        """How far the run goes that the fault happens to: to its end where that is near."""
        return None if self.fault.step in _OUTWARD else self.fault.step

    def begin(self, **options: Any) -> Process:
        """Begins the run."""
        return Process.run(self.world, self.settings, **options)

    def over(self, process: Process, when: str) -> Ended:
        """Waits for a process, and looks at what it said."""
        ended = process.wait()
        self.passed |= ended.passed
        self.expect(not ended.error, f"{when}: {ended.error[-1500:]}")
        said = ended.message
        self.expect(not any(word in said for word in _MISSPELT), f"{when}: it said {said!r}")
        self.outcome = self.outcome or _outcome(ended)
        if ended.code in (1, 2):
            self.expect(bool(said), f"{when}: it failed without a sentence")
            # Where this machine has its folders says nothing to whoever reads the report.
            self.detail += f": {said.replace(f'{self.world.output}{os.sep}', '')[:200]}"
        return ended

    def nothing_wrong_is_served(self, when: str) -> None:
        """Every version is whole and was let through; so was the champion, and one that was there stays."""
        models = {model for model, _ in self.passed}
        for number, model in state.versions(self.world).items():
            if str(number) not in self.exempt:
                self.expect(model in models, f"{when}: version {number} is served and was never let through")
        if "registry" in self.exempt:
            return
        try:
            champion = state.champion(self.world)
        except sqlite3.Error as error:
            self.violations.append(f"{when}: the registry's database is damaged: {error}")
            return
        if champion is None:
            self.expect(self.fault.story == "first", f"{when}: the champion is lost")
            return
        known = {fingerprint for _, fingerprint in self.passed}
        self.expect(champion.fingerprint in known, f"{when}: champion {champion} was never let through")

    def the_next_run_repairs(self, until: str | None = None) -> None:
        """The same command comes to what the run comes to that nothing happens to."""
        wanted = until or self.fault.step
        is_whole = wanted in _OUTWARD or self.draw.random() < _WHOLE
        ended = self.over(self.begin(until=None if is_whole else wanted), "the next run")
        self.expect(ended.was(wanted) in ("done", "cached"), f"the next run: {wanted} was {ended.was(wanted)!r}")
        self.nothing_wrong_is_served("the next run")
        if "ImageExampleGen" in self.story.nodes and ended.was("ImageExampleGen"):
            counts = state.ingested(self.world)
            self.expect(counts == self.story.counts, f"the next run: {counts} images instead of {self.story.counts}")
        if is_whole:
            self._ended_as_it_should(ended)
        elif wanted in self.story.nodes:
            self._left_what_it_should(wanted)

    def _ended_as_it_should(self, ended: Ended) -> None:
        came = (ended.summary or {}).get("status"), ended.code
        wanted = self.story.status, self.story.exit_code
        self.expect(came == wanted, f"the next run: {came} instead of {wanted}: {ended.message}")
        models = self.world.pipeline / "models"
        left = [path.name for path in models.iterdir() if path.name.startswith((".unfinished-", ".push-lease.json"))]
        self.expect(not left, f"the next run left {left}")
        if self.story.status == "pushed" and not self.exempt:
            self._serves_its_champion()

    def _left_what_it_should(self, node: str) -> None:
        """A step that is made again leaves the files that it left before."""
        for path, files in self.story.step(node).wrote.items():
            newest = max((self.world.output / path).parent.iterdir(), key=lambda one: int(one.name))
            found = set(state.files_of(newest))
            # A training that was done already, and goes on at its end, has nothing to plot.
            other = sorted(one for one in found ^ set(files) if "tfevents" not in one)
            self.expect(not other, f"the next run: {node} left, or did not leave, {other}")

    # What can happen.

    def killed(self) -> None:
        """SIGKILL at a random moment of a step, alone or with what it had started."""
        seconds = self.draw.random() * self.story.step(self.fault.step).seconds
        with_children = self.draw.random() < 0.5
        self.detail = f"after {seconds:.2f} s{', with its children' if with_children else ''}"
        process = self.begin()
        process.until("began", self.fault.step)
        process.sleep(seconds)
        process.kill(signal.SIGKILL, with_children)
        ended = self.over(process, "the killed run")
        self.nothing_wrong_is_served("the killed run")
        if ended.code == -signal.SIGKILL:
            *_, last = runs_of(self.world.config(self.fault.story))
            self.expect(last.status == "interrupted", f"the killed run is listed as {last.status}")
        self.the_next_run_repairs()

    def read_after_harm(self) -> None:
        """A file that a step reads is harmed after it was written and before it is read."""
        read = self.story.step(self.fault.step).read
        folder, writer = self.draw.choice(sorted(read.items()))
        path = self.draw.choice(sorted(one for one in (self.world.output / folder).rglob("*") if one.is_file()))
        how = self.draw.choice(sorted(HARMS))
        self.detail = f"{how}: {path.relative_to(self.world.output)}"
        if not harm(path, how, self.draw):
            self.outcome = "nothing changed"
            return
        ended = self.over(self.begin(until=self.fault.step), "the run that reads it")
        if not (self.world.output / folder).exists() or ended.was(writer) == "done":
            # TFX's cache hands out no folder that is gone.
            self.expect(ended.was_cut, f"{self.fault.step} was {ended.was(self.fault.step)!r}")
            self.outcome = "made again at once"
            self.nothing_wrong_is_served("the run that reads it")
            return
        self.expect(not ended.was_cut, f"{self.fault.step} read what was harmed")
        self.expect(folder in ended.message, f"it did not name what was harmed: {ended.message}")
        self.nothing_wrong_is_served("the run that reads it")
        self.the_next_run_repairs(until=writer)

    def lies_harmed(self) -> None:
        """A file that no step's input is, is harmed: caches, versions, the registry, the store, past runs."""
        root, pipeline = self.world.output, self.world.pipeline
        place = self.draw.choice(("cache", "models", "registry", "store", "runs"))
        folder = {"cache": root / "cache", "models": pipeline / "models", "runs": pipeline / "runs"}.get(
            place, pipeline
        )
        files = [one for one in folder.rglob("*") if one.is_file()]
        if place == "registry":
            files = [one for one in files if "mlartifacts" in one.parts or one.name == "mlflow.db"]
            files += [pipeline / "mlflow.db"] * len(files)
        elif place == "store":
            files = [pipeline / "metadata.sqlite"]
        if not files or not all(one.exists() for one in files):
            self.outcome = "nothing there yet"
            return
        path, how = self.draw.choice(sorted(files)), self.draw.choice(sorted(HARMS))
        if how == "its folder removed" and place in ("registry", "store", "models"):
            how = "removed"
        self.detail = f"{how}: {path.relative_to(root)}"
        if place in ("registry", "store"):
            self.exempt.add("registry")
        elif place == "models":
            self.exempt.add(path.relative_to(folder).parts[0])
        kept = path.read_bytes()
        if not harm(path, how, self.draw):
            self.outcome = "nothing changed"
            return
        self.over(self.begin(until=self.fault.step), "the run beside it")
        self.nothing_wrong_is_served("the run beside it")
        if place in ("registry", "store"):
            self._restore(path, kept)
        self.the_next_run_repairs()

    def _restore(self, path: Path, content: bytes) -> None:
        """What nobody but a backup has."""
        for beside in path.parent.glob(f"{path.name}-*"):  # The journal of the damaged database.
            beside.unlink()
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"new-{path.name}").unlink(missing_ok=True)
        path.write_bytes(content)

    def full_disk(self) -> None:
        """The file system has a few kilobytes left, or a few megabytes."""
        place = os.statvfs(self.world.output)
        used = (place.f_blocks - place.f_bfree) * place.f_frsize
        room = int(4096 * 2 ** (11 * self.draw.random()))
        self.detail = f"{room // 1024} KiB left"
        resize(self.world.output, used + room)
        ended = self.over(self.begin(until=self._far), "the run without room")
        if ended.code in (1, 2):
            told = ended.message.lower()
            self.expect("space" in told or "disk" in told, f"it did not say that the disk is full: {told}")
        self.nothing_wrong_is_served("the run without room")
        resize(self.world.output)
        self.the_next_run_repairs()

    def written_nowhere(self) -> None:
        """A folder, or a file, that nobody may write to."""
        root, pipeline = self.world.output, self.world.pipeline
        places = (
            root,
            pipeline,
            root / "cache",
            *(pipeline / name for name in ("artifacts", "runs", "models", "mlflow.db")),
        )
        path = self.draw.choice([one for one in places if one.exists()])
        self.detail = str(path.relative_to(root))
        with read_only(path):
            self.over(self.begin(until=self._far), "the run that may not write")
            self.nothing_wrong_is_served("the run that may not write")
            end_orphans()
        self.the_next_run_repairs()

    def clock_jumps(self) -> None:
        """The clock jumps by an hour, a day or a year, forth or back, before a step."""
        seconds = self.draw.choice((3_600, 90_000, 40_000_000)) * self.draw.choice((1, -1))
        self.detail = f"by {seconds / 3600:+.0f} hours"

        def jump(node: str) -> None:
            if node == self.fault.step:
                _jump(seconds)

        ended = self.over(self.begin(before=jump, until=self.fault.step), "the run whose clock jumped")
        self.expect(ended.was(self.fault.step) == "done", f"{self.fault.step} was {ended.was(self.fault.step)!r}")
        self.nothing_wrong_is_served("the run whose clock jumped")
        self.the_next_run_repairs()

    def registry_in_trouble(self) -> None:
        """A registry behind HTTP that answers wrong, late or not at all."""
        name = f"digits-{self.fault.number}-{os.getpid()}"
        with troubled(self.registry, self.draw) as proxy:
            self.settings += (f"registry.uri={proxy.address}", f"registry.model_name={name}")
            self.detail = proxy.trouble
            self.exempt.add("registry")
            os.environ |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
            self.over(self.begin(), "the run with a registry in trouble")
            self.nothing_wrong_is_served("the run with a registry in trouble")
            proxy.trouble = ""
            ended = self.over(self.begin(), "the next run")
            came, wanted = (ended.summary or {}).get("status"), self.story.status
            self.expect(came == wanted, f"the next run: {came} instead of {wanted}: {ended.message}")
            self.nothing_wrong_is_served("the next run")
            alias = self.registry.champion(name)
        if wanted == "pushed":
            known = {fingerprint for _, fingerprint in self.passed}
            self.expect(alias is not None and alias.fingerprint in known, f"the champion is {alias}")
        else:
            self.expect(alias is None, f"the champion is {alias}")

    def two_at_once(self) -> None:
        """A second run, or a command, while one is under way."""
        others = {
            "the same run": lambda: self.begin(),
            "prune": lambda: self.command("prune"),
            "rollback": lambda: self.command("registry", "rollback"),
            "promote": lambda: self.command("registry", "promote", "1"),
        }
        other = self.draw.choice(sorted(others))
        seconds = self.draw.random() * (self.story.step(self.fault.step).seconds + 2)
        self.detail = f"{other} {seconds:.2f} s after the run began"
        process = self.begin()
        process.until("began", self.fault.step)
        process.sleep(seconds)
        second = others[other]()
        process.wait()
        if other == "the same run":
            self.over(second, "the second run")
        else:
            self._commanded(second)
        self.over(process, "the first run")
        self.nothing_wrong_is_served("both")
        self.over(self.begin(), "the next run")
        self.nothing_wrong_is_served("the next run")
        self._serves_its_champion()

    def command_killed(self) -> None:
        """A command on the registry killed at a random moment, then typed again."""
        codes = ("--override-code=G2", "--override-code=G4", "--override-code=G5", "--by=ann", "--reason=because")
        commands = {
            "promote": ("registry", "promote", "1"),
            "rollback": ("registry", "rollback"),
            "prune": ("prune",),
        }
        if self.fault.story == "bad":
            commands = {"approve": ("approve", "2", *codes), "prune": ("prune",)}
            self.passed.add(self.world.story("bad").judged[:2])
        name = self.draw.choice(sorted(commands))
        seconds = self.draw.random() * 3
        self.detail = f"{name} after {seconds:.2f} s"
        process = self.command(*commands[name])
        process.until("began", commands[name][0])
        process.sleep(seconds)
        process.kill(signal.SIGKILL, with_children=False)
        self._commanded(process)
        self.nothing_wrong_is_served("the killed command")
        ended = self._commanded(self.command(*commands[name]))
        self.expect(ended.code in (0, 2), f"the command again: {ended.error}")
        self.nothing_wrong_is_served("the command again")
        self._serves_its_champion()

    def command(self, *arguments: str) -> Process:
        """Types a command for the story's configuration."""
        return Process.command(*arguments, *(f"--set={one}" for one in self.settings))

    def _commanded(self, process: Process) -> Ended:
        ended = process.wait()
        self.expect("Traceback" not in ended.error, f"a command: {ended.error}")
        self.outcome = self.outcome or _outcome(ended)
        self.detail += f": {ended.error.strip()[-200:]}" if ended.error else ""
        return ended

    def _serves_its_champion(self) -> None:
        champion, model = state.champion(self.world), state.served(self.world)
        serving = {fingerprint for one, fingerprint in self.passed if one == model}
        self.expect(
            champion is not None and champion.fingerprint in serving,
            f"{champion} is the champion and {serving or model} is served",
        )


KINDS: Final[Mapping[str, Callable[[Trial], None]]] = {
    "killed": Trial.killed,
    "harmed, then read": Trial.read_after_harm,
    "harmed where it lies": Trial.lies_harmed,
    "disk full": Trial.full_disk,
    "read-only": Trial.written_nowhere,
    "clock jumps": Trial.clock_jumps,
    "registry in trouble": Trial.registry_in_trouble,
    "two at once": Trial.two_at_once,
    "command killed": Trial.command_killed,
}


def _jump(seconds: float) -> None:
    """Sets this process's clock."""
    from tfx.orchestration.portable.execution_watcher import ExecutionWatcher

    def travelled() -> time_machine.travel:
        travel = time_machine.travel(time.time() + seconds, tick=True)
        travel.start()
        return travel

    start, travel = ExecutionWatcher.start, travelled()

    def started(watcher: ExecutionWatcher) -> None:
        # gRPC's core reads the system's clock, which stands where it stood, and would wait until that shows what
        # Python's does.
        nonlocal travel
        travel.stop()
        start(watcher)
        travel = travelled()

    ExecutionWatcher.start = started


def _outcome(ended: Ended) -> str:
    if ended.code < 0:
        return "killed"
    return "refused in a sentence" if ended.code in (1, 2) else "went on"


def tried(world: World, fault: Fault, seed: int, registry: Registry) -> dict[str, Any]:
    """Does it, in a process of its own that may mount; returns what came of it, as JSON."""
    story, began = world.story(fault.story), time.monotonic()
    trial = Trial(world, fault, story, Random(f"{seed}/{fault.number}"), registry)
    mount_memory(world.output)
    end = fault.kind in ("registry in trouble", "command killed")
    world.put_back(fault.story, END if end else fault.step)
    with contextlib.ExitStack() as last:
        last.callback(end_orphans)
        KINDS[fault.kind](trial)
    return {
        "number": fault.number,
        "kind": fault.kind,
        "story": fault.story,
        "step": fault.step,
        "detail": trial.detail,
        "outcome": trial.outcome,
        "violations": trial.violations,
        "seconds": round(time.monotonic() - began, 1),
    }
