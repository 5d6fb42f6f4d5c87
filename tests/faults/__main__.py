"""The campaign: seeded faults in every step of real runs, and what held after each.

    make faults                    a thousand, about two hours on two cores
    make faults FAULTS=50 SEED=7   fifty others
    make faults ONLY=17            the seventeenth again

First come the runs that nothing happens to, which takes some minutes; they are kept for the next campaign of the same
code. Every fault has an output folder of its own in memory, at the same address, put back to a moment between two steps
of a run that nothing happened to. What is done is drawn from the seed and the fault's number. A campaign that was
stopped goes on where it stopped, unless the code has changed. The exit code is 1 if something did not hold.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any, Final

# Before TensorFlow is imported.
os.environ |= {
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}

from pipeline.code_hash import code_hash
from tests.faults.processes import end_with_the_parent
from tests.faults.report import Tried, sentence, write
from tests.faults.trial import Fault, tried
from tests.faults.world import World, in_a_namespace_of_its_own, why_no_namespace

# Of so many faults each kind has its share, whatever their number.
_CYCLE: Final = (
    *("killed",) * 7,
    *("harmed, then read",) * 6,
    *("harmed where it lies",) * 3,
    *("disk full", "read-only") * 2,
    *("registry in trouble",) * 2,
    *("clock jumps", "two at once", "command killed"),
)
_STORIES: Final = ("good", "good", "good", "first", "bad")
# What serves and registers has the most to lose; a fault in what takes seconds costs a minute.
_LAST: Final = ("Card", "Pusher", "RegistryPush")
_QUICK: Final = ("Champion", "ImportSchemaGen", "ExampleValidator", "DataGate")


def drawn(world: World, number: int, seed: int) -> Fault:
    """Draws a fault; the same seed and number are the same fault."""
    draw = Random(f"{seed}:{number}")
    cycle = Random(f"{seed}:cycle:{number // len(_CYCLE)}").sample(_CYCLE, len(_CYCLE))
    kind = cycle[number % len(_CYCLE)]
    story = draw.choice(("good", "good", "bad") if kind == "command killed" else _STORIES)
    nodes = world.story(story).nodes
    if kind == "harmed, then read":
        nodes = tuple(node for node in nodes if world.story(story).step(node).read)
    if kind in ("two at once", "registry in trouble"):
        nodes = _LAST
    weights = [4 if node in _LAST else 2 if node in _QUICK else 1 for node in nodes]
    return Fault(number, kind, story, draw.choices(nodes, weights)[0])


def main() -> None:
    """Runs the campaign."""
    parser = argparse.ArgumentParser(
        prog="make faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--faults", type=int, default=1000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="other faults")
    parser.add_argument("--only", type=int, help="one of them, by its number")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="faults at once; all cores by default")
    parser.add_argument("--folder", type=Path, default=Path("frostgate-output/faults"), help="where it works")
    told = parser.parse_args()
    if why := why_no_namespace():
        sys.exit(f"make faults: expected a system that lets a user mount in a namespace; this one does not ({why}).")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _preload()
    code = code_hash("pipeline.cli.main")
    ours = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
    world = World((told.folder / code[:12]).absolute())
    from tests.faults.stories import tell

    tell(world, print)
    kept = world.root / f"{ours.hexdigest()[:12]}-{told.seed}.jsonl"
    if told.only is not None:
        # Again, whatever came of it before, and beside a campaign that may be under way.
        kept = Path(os.devnull)
    past = [Tried(**json.loads(line)) for line in kept.read_text().splitlines()] if kept.exists() else []
    numbers = range(told.faults) if told.only is None else [told.only]
    left = sorted(set(numbers) - {one.number for one in past})
    from tests.servers import mlflow_in

    with tempfile.TemporaryDirectory() as folder, mlflow_in(Path(folder)) as address:
        new = _campaign(world, [drawn(world, number, told.seed) for number in left], told, address, kept)
    found = sorted((one for one in (*past, *new) if one.number in numbers), key=lambda one: one.number)
    if told.only is None:
        write(found, told.seed, world.root / "faults.md")
    print(sentence(found))
    sys.exit(any(one.violations for one in found) or len(found) < len(numbers))


def _preload() -> None:
    """Imports once what every run needs; a fault forks."""
    import keras
    import mlflow

    import pipeline.cli.main
    import pipeline.runners.local
    import pipeline.training

    del keras, mlflow, pipeline


def _campaign(world: World, faults: list[Fault], told: argparse.Namespace, address: str, kept: Path) -> list[Tried]:
    """Has faults happen, a few at once; stops at Ctrl-C."""
    waiting, found, began = list(reversed(faults)), [], time.monotonic()
    running: dict[int, tuple[Fault, int]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < told.jobs:
                fault = waiting.pop()
                ours, theirs = os.pipe()
                if (pid := os.fork()) == 0:
                    os.close(ours)
                    _be(world, fault, told.seed, address, theirs)
                os.close(theirs)
                running[pid] = fault, ours
            pid, status = os.wait()
            fault, pipe = running.pop(pid)
            with os.fdopen(pipe) as file:
                said = file.read()
            one = Tried(**json.loads(said)) if said else _lost(fault, status)
            found.append(one)
            with kept.open("a") as file:
                file.write(json.dumps(vars(one)) + "\n")
            _tell(one, len(found), len(faults), time.monotonic() - began)
    except KeyboardInterrupt:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        print("Stopped; the same command goes on with the next fault.")
    return found


def _be(world: World, fault: Fault, seed: int, address: str, pipe: int) -> None:
    """Is the process in which a fault happens; returns never."""
    from tests.faults.registry import Registry

    try:
        end_with_the_parent()
        in_a_namespace_of_its_own()
        world.output.mkdir(exist_ok=True)
        said = tried(world, fault, seed, Registry(address))
    except BaseException:
        said = vars(_lost(fault, traceback.format_exc()))
    with os.fdopen(pipe, "w") as file:
        file.write(json.dumps(said))
    os._exit(0)


def _lost(fault: Fault, why: Any) -> Tried:
    broken = f"the campaign itself broke: {why}"
    return Tried(fault.number, fault.kind, fault.story, fault.step, "", "broke", [broken], 0.0)


def _tell(one: Tried, done: int, of: int, seconds: float) -> None:
    left = (of - done) * seconds / done / 60
    print(f"{done}/{of}  {left:.0f} min left  {one.line}", flush=True)
    for violation in one.violations:
        print(f"    DID NOT HOLD: {violation}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("Stopped; the same command goes on.")
        sys.exit(130)
