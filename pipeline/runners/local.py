"""One run on this machine: resolve, run every node, tell what came of it."""

import contextlib
import errno
import json
import os
import secrets
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import filelock

from components.card.facts import NodeFacts, RunFacts
from components.errors import DataRefused
from pipeline.config import Config, effective_yaml
from pipeline.resolve import Folders, Plan, folders_of, resolve
from pipeline.runners.console import output_to
from pipeline.runners.progress import Progress, Silent
from pipeline.runners.results import NodeResult, RunStatus, RunSummary, judge
from pipeline.runners.store import StoreUnusable, check

if TYPE_CHECKING:
    from tfx.v1.dsl import Pipeline

    from pipeline.runners.engine import Walk

_NO_ROOM_OR_RIGHT: Final = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)


class Terminated(BaseException):
    """The process was asked to stop (SIGTERM)."""


class AnotherRun(RuntimeError):
    """Somebody else is running this pipeline in the same folder."""


@dataclass(frozen=True)
class _Attempt:
    """A run that is about to start."""

    config: Config
    folders: Folders
    run_id: str
    started: datetime
    clock: float

    @property
    def folder(self) -> Path:
        return self.folders.runs / self.run_id

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.clock, 3)


@dataclass(frozen=True)
class _Outcome:
    status: RunStatus
    exit_code: int
    message: str
    verdict: dict[str, Any] | None = None
    served_version: str | None = None
    registered_version: str | None = None
    card: str | None = None


def run(
    config: Config, progress: Progress | None = None, build: Callable[[Plan], "Pipeline"] | None = None
) -> RunSummary:
    """Runs the training pipeline and writes `summary.json`, whatever happens.

    Args:
        config: The run's configuration.
        progress: Is told of every node; None tells nobody.
        build: Makes the pipeline from the plan; None takes the training pipeline.

    Returns:
        What came of it. A failure is a summary too, not an exception.

    Raises:
        DataRefused: The output folder cannot be written to, so there is nowhere to put a summary.
    """
    now = datetime.now().astimezone()
    run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    attempt = _Attempt(config, folders_of(config), run_id, now, time.monotonic())
    _make_folder(attempt)
    log = attempt.folder / "log.txt"
    with output_to(log), _termination_raised():
        from pipeline.runners.engine import Walk  # Imports TFX, which takes seconds and is noisy.

        walk = Walk()
        outcome = _try(attempt, progress or Silent(), build, walk)
    summary = RunSummary(
        run_id=run_id,
        pipeline=config.name,
        started=now.isoformat(timespec="seconds"),
        seconds=attempt.seconds,
        status=outcome.status,
        exit_code=outcome.exit_code,
        message=outcome.message,
        verdict=outcome.verdict,
        served_version=outcome.served_version,
        registered_version=outcome.registered_version,
        card=outcome.card,
        log=str(log),
        config=config.model_dump(mode="json"),
        nodes=tuple(walk.nodes),
    )
    unfinished = attempt.folder / "summary-unfinished.json"
    unfinished.write_text(summary.model_dump_json(indent=2))
    unfinished.replace(attempt.folder / "summary.json")
    return summary


def _make_folder(attempt: _Attempt) -> None:
    try:
        attempt.folder.mkdir(parents=True)
    except OSError as error:
        raise DataRefused(
            f"output must be a folder that can be written to; {attempt.folders.root} cannot ({error.strerror}). "
            "Choose another with --set output=FOLDER."
        ) from error


def _try(attempt: _Attempt, progress: Progress, build: Callable[[Plan], "Pipeline"] | None, walk: "Walk") -> _Outcome:
    try:
        with _alone(attempt.folders.root):
            check(attempt.folders.metadata)
            _run_nodes(resolve(attempt.config), attempt.run_id, progress, build, walk)
            return _judged(attempt, walk)
    except KeyboardInterrupt:
        return _Outcome("interrupted", 128 + signal.SIGINT, "Interrupted; the same command continues the run.")
    except Terminated:
        return _Outcome("interrupted", 128 + signal.SIGTERM, "Terminated; the same command continues the run.")
    except Exception as error:
        traceback.print_exc()
        return _explained(error, walk.nodes)


def _run_nodes(
    plan: Plan, run_id: str, progress: Progress, build: Callable[[Plan], "Pipeline"] | None, walk: "Walk"
) -> None:
    from pipeline.runners.engine import run_pipeline

    if build is None:
        from pipeline import training

        build = training.build
    run_pipeline(build(plan), run_id, progress, walk)


def _judged(attempt: _Attempt, walk: "Walk") -> _Outcome:
    verdict_dir = walk.outputs["PushGate"]["Verdict"]
    verdict = _read(verdict_dir / "verdict.json")
    serving = _read(walk.outputs["ServingCheck"]["ServingReport"] / "serving.json")
    pushed = _read(walk.outputs["Pusher"]["PushedModel"] / "pushed.json")
    registration = _read(walk.outputs["RegistryPush"]["Registration"] / "registration.json")
    version = str(pushed["version"]) if pushed["pushed"] else None
    status, exit_code, message = judge(verdict, serving, version)
    facts = RunFacts(
        run_id=attempt.run_id,
        started=attempt.started.isoformat(timespec="seconds"),
        seconds=attempt.seconds,
        nodes=tuple(NodeFacts(node.id, node.status, node.seconds) for node in walk.nodes),
        served_version=version,
        registered_version=registration["version"],
        serving=serving,
        config=effective_yaml(attempt.config),
    )
    from components.card.files import write_card  # Imports TFX's file systems.

    card = str(attempt.folder / "card.html")
    write_card(str(verdict_dir), facts, card)
    return _Outcome(status, exit_code, message, verdict, version, registration["version"], card)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def _explained(error: BaseException, nodes: Sequence[NodeResult]) -> _Outcome:
    """Words a failure; what was refused is found under whatever TFX and Beam wrapped around it."""
    for cause in _chain(error):
        if isinstance(cause, DataRefused):
            return _Outcome("refused", 2, str(cause))
        if isinstance(cause, StoreUnusable | AnotherRun):
            return _Outcome("failed", 1, str(cause))
        if isinstance(cause, OSError) and cause.errno in _NO_ROOM_OR_RIGHT:
            return _Outcome("failed", 1, f"{cause.filename or 'A file'} could not be written: {cause.strerror}.")
    failed = next((node.id for node in nodes if node.status == "failed"), None)
    where = f"{failed} failed" if failed else "The run failed outside its nodes"
    first_line = next(iter(str(error).strip().splitlines()), "")
    return _Outcome("failed", 1, f"{where}: {type(error).__name__}{': ' if first_line else ''}{first_line}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Lets one run at a time into a pipeline's folder: ML Metadata's SQLite store takes one writer."""
    owner = root / "run.pid"
    try:
        lock = filelock.FileLock(root / "run.lock").acquire(timeout=0)
    except filelock.Timeout:
        process = owner.read_text() if owner.exists() else "unknown"
        raise AnotherRun(
            f"Process {process} is running this pipeline in {root} already. "
            "Wait for it, or give this run another name or output."
        ) from None
    with lock:
        owner.write_text(str(os.getpid()))
        yield


@contextlib.contextmanager
def _termination_raised() -> Iterator[None]:
    """Turns SIGTERM into an exception, so that a run ends with a summary; only the main thread can."""

    def terminate(signal_number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
