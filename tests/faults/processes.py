"""A run, or a command, in a process of its own that can be killed, and what it says as it goes."""

import contextlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from components.confinement.libc import call
from components.errors import DataRefused, place_of
from pipeline.config import load
from pipeline.runners.progress import Silent
from pipeline.runners.results import NodeResult
from tests.faults.state import judged
from tests.faults.world import World

# Of one run: several times what the slowest takes on a busy machine.
_PATIENCE_SECONDS: Final = 600.0
_CUT: Final = 77
_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
Hook = Callable[[str], None]


@dataclass
class Ended:
    """How a process ended.

    Attributes:
        code: Exit code; negative is the signal that killed it.
        said: What it said, oldest first: event, node, more.
        summary: Of a run that came to its end.
        refused: Why it came to none, in a sentence.
        error: A traceback that nobody caught, or what a command printed.
    """

    code: int = 0
    said: list[list[Any]] = field(default_factory=list)
    summary: dict[str, Any] | None = None
    refused: str = ""
    error: str = ""

    @property
    def message(self) -> str:
        """What a person is told."""
        return self.refused or (self.summary or {}).get("message", "")

    def was(self, node: str) -> str:
        """What became of a node: done, cached, failed, skipped; empty where it was not reached."""
        return next((told[2] for told in self.said if told[:2] == ["ended", node]), "")

    @property
    def passed(self) -> set[tuple[str, str]]:
        """Models that the gate let through: the hash of all files, the fingerprint."""
        return {(told[1], told[2]) for told in self.said if told[0] == "judged" and told[3] == "PASS"}

    @property
    def was_cut(self) -> bool:
        """Whether it was ended where the campaign knows how it goes on."""
        return self.code == _CUT


class _Listener(Silent):
    def __init__(self, world: World, tell: Callable[..., None], before: Hook, until: str | None) -> None:
        self.world, self.tell, self.before, self.until = world, tell, before, until

    def node_started(self, node_id: str) -> None:
        self.before(node_id)
        self.tell("began", node_id)

    def node_finished(self, result: NodeResult) -> None:
        self.tell("ended", result.id, result.status)
        if result.status in ("done", "cached"):
            if result.id == "PushGate":
                # A verdict from the cache may be the file that was harmed; who reads it next refuses it.
                with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
                    self.tell("judged", *judged(self.world))
            if result.id == self.until:
                os._exit(_CUT)


class Process:
    """A forked process that runs a configuration or types a command."""

    def __init__(self, body: Callable[[Callable[..., None]], int]) -> None:
        ours, theirs = os.pipe()
        # What it starts and leaves behind becomes this process's, which ends it.
        call("prctl", _SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ours)
            _be(body, theirs)
        os.close(theirs)
        self._pipe, self._rest, self.ended = ours, b"", Ended()
        self._is_over = False

    @classmethod
    def run(
        cls,
        world: World,
        settings: Sequence[str],
        before: Hook = lambda node: None,
        until: str | None = None,
    ) -> "Process":
        """Begins a run.

        Args:
            world: Where.
            settings: Overrides.
            before: Is called in the run's process with each node that is about to begin.
            until: The node after which the process ends itself.
        """

        def body(tell: Callable[..., None]) -> int:
            from pipeline.runners.local import run

            try:
                summary = run(load(None, list(settings)), _Listener(world, tell, before, until))
            except DataRefused as error:
                tell("refused", str(error))
                return 2
            except OSError as error:
                tell("refused", f"{place_of(error)}: {error.strerror}")
                return 1
            tell("summary", summary.model_dump(mode="json"))
            return summary.exit_code

        return cls(body)

    @classmethod
    def command(cls, *arguments: str) -> "Process":
        """Begins a command of `frostgate`."""

        def body(tell: Callable[..., None]) -> int:
            from pipeline.cli.main import main

            sys.argv = ["frostgate", *arguments]
            tell("began", arguments[0])
            try:
                main()
            except SystemExit as error:
                return error.code if isinstance(error.code, int) else 0
            return 0

        return cls(body)

    def until(self, event: str, node: str) -> bool:
        """Waits until a node has begun or ended; False where the process ended before."""
        while not self._is_over:
            if any(told[:2] == [event, node] for told in self.ended.said):
                return True
            self._listen(_PATIENCE_SECONDS)
        return False

    def sleep(self, seconds: float) -> None:
        """Waits, at most until the process has ended."""
        end = time.monotonic() + seconds
        while not self._is_over and (left := end - time.monotonic()) > 0:
            self._listen(left, is_patient=True)

    def kill(self, number: int, with_children: bool) -> None:
        """Sends a signal to the process, or to everything that it started, too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number) if with_children else os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Waits until it has ended, and ends what it left behind."""
        while not self._is_over:
            self._listen(_PATIENCE_SECONDS)
        return self.ended

    def _listen(self, seconds: float, is_patient: bool = False) -> None:
        if not select.select([self._pipe], [], [], seconds)[0]:
            if is_patient:
                return
            self.kill(signal.SIGKILL, with_children=True)
            self.ended.error = f"it did not end within {seconds:g} seconds"
        chunk = os.read(self._pipe, 1 << 16)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            told = json.loads(line)
            if told[0] == "summary":
                self.ended.summary = told[1]
            elif told[0] in ("error", "refused"):
                setattr(self.ended, told[0], told[1])
            else:
                self.ended.said.append(told)
        if not chunk:
            os.close(self._pipe)
            self._is_over = True
            _, status = os.waitpid(self.pid, 0)
            self.ended.code = os.waitstatus_to_exitcode(status)


def end_with_the_parent() -> None:
    """Has this process killed when the one that began it ends."""
    call("prctl", _SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def end_orphans() -> None:
    """Ends what killed processes left running."""
    while children := Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        for child in children:
            os.kill(int(child), signal.SIGKILL)
            os.waitpid(int(child), 0)


def _be(body: Callable[[Callable[..., None]], int], pipe: int) -> None:
    """Is the process; returns never."""
    code = 1
    try:
        end_with_the_parent()
        os.setsid()
        # Of the processes that it starts none holds the pipe, whose end says that this one is dead.
        os.set_inheritable(pipe, False)
        nothing = os.open(os.devnull, os.O_RDWR)
        said = os.memfd_create("said")
        os.dup2(nothing, 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115

        def tell(*event: Any) -> None:
            os.write(pipe, json.dumps(event).encode() + b"\n")

        try:
            code = body(tell)
        except BaseException:
            tell("error", traceback.format_exc())
        else:
            if code not in (0, 3, 4):
                sys.stdout.flush()
                sys.stderr.flush()
                os.lseek(said, 0, os.SEEK_SET)
                tell("error", os.read(said, 1 << 16).decode(errors="replace")[-4000:])
    finally:
        os._exit(code)
