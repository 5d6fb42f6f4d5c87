"""One run on this machine: resolve, run every node, tell what came of it."""

import contextlib
import dataclasses
import json
import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.card.facts import NodeFacts, RunFacts
from components.errors import DataRefused
from components.registry.record import without_credentials
from pipeline.config import Config, effective_yaml
from pipeline.resolve import Folders, Plan, folders_of, resolve
from pipeline.runners.console import output_to
from pipeline.runners.failures import explain, refusal_of
from pipeline.runners.lock import alone
from pipeline.runners.progress import Progress, Silent
from pipeline.runners.results import RunStatus, RunSummary, Walk, judge
from pipeline.runners.stopping import Stop, stoppable
from pipeline.runners.store import check
from pipeline.runners.summaries import past_runs, same_as_last
from pipeline.runners.telling import tell

if TYPE_CHECKING:
    from tfx.v1.dsl import Pipeline


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
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def told(self) -> Config:
        """The configuration as it may be shown: people pass cards and summaries on."""
        registry = self.config.registry
        public = registry.model_copy(update={"uri": without_credentials(registry.uri)})
        return self.config.model_copy(update={"registry": public})

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.clock, 3)


@dataclass(frozen=True)
class _Outcome:
    status: RunStatus
    exit_code: int
    message: str
    data: dict[str, Any] | None = None
    verdict: dict[str, Any] | None = None
    served_version: str | None = None
    registered_version: str | None = None
    card: str | None = None
    plan: Plan | None = None


def run(
    config: Config,
    progress: Progress | None = None,
    build: Callable[[Plan], "Pipeline"] | None = None,
    again: bool = False,
) -> RunSummary:
    """Runs the training pipeline and writes `summary.json`, whatever happens.

    Args:
        config: The run's configuration.
        progress: Is told of every node; None tells nobody.
        build: Makes the pipeline from the plan; None takes the training pipeline.
        again: Whether spans of which none is new since the last verdict are run all the same.

    Returns:
        What came of it. A failure is a summary too, not an exception.

    Raises:
        DataRefused: The output folder cannot be written to, so there is nowhere to put a summary.
    """
    now = datetime.now().astimezone()
    # Four digits of the time within the second: ids sort by time, also of runs that start in the same second.
    run_id = f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 16:04x}"
    attempt = _Attempt(config, folders_of(config), run_id, now, time.monotonic())
    _make_folder(attempt)
    walk, listener = Walk(), progress or Silent()

    def abandon(signal_number: int) -> None:
        listener.run_abandoned(_written(attempt, _stopped(signal_number), walk))
        os._exit(128 + signal_number)

    with output_to(attempt.log), stoppable(abandon) as stop:
        outcome = _try(attempt, listener, build, walk, stop, again)
    return _after_telling(attempt, _written(attempt, outcome, walk))


def _after_telling(attempt: _Attempt, summary: RunSummary) -> RunSummary:
    """Tells whoever wants to know; who could not be told is a warning of the run."""
    with output_to(attempt.log):
        warnings = tell(attempt.config, summary)
    if not warnings:
        return summary
    summary = summary.model_copy(update={"warnings": warnings})
    _store(attempt, summary)
    return summary


def _written(attempt: _Attempt, outcome: _Outcome, walk: Walk) -> RunSummary:
    summary = RunSummary(
        run_id=attempt.run_id,
        pipeline=attempt.config.name,
        run_key=outcome.plan.run_key if outcome.plan else None,
        spans=outcome.plan.source.spans if outcome.plan else (),
        started=attempt.started.isoformat(timespec="seconds"),
        seconds=attempt.seconds,
        status=outcome.status,
        exit_code=outcome.exit_code,
        message=outcome.message,
        data=outcome.data,
        verdict=outcome.verdict,
        served_version=outcome.served_version,
        registered_version=outcome.registered_version,
        card=outcome.card,
        log=str(attempt.log),
        config=attempt.told.model_dump(mode="json"),
        nodes=tuple(walk.nodes),
    )
    _store(attempt, summary)
    return summary


def _store(attempt: _Attempt, summary: RunSummary) -> None:
    path, unfinished = attempt.folder / "summary.json", attempt.folder / "summary-unfinished.json"
    try:
        unfinished.write_text(summary.model_dump_json(indent=2))
        unfinished.replace(path)
    except OSError as error:
        # A full disk's error does not say which file it was.
        text = f"could not be written ({error.strerror}); the run had ended as {summary.status}"
        raise OSError(error.errno, text, str(path)) from error


def _make_folder(attempt: _Attempt) -> None:
    if "://" in attempt.config.output:
        raise DataRefused(
            f"output must be a folder of this machine; received {attempt.config.output}. "
            "Name a bucket in push.destination or registry.uri instead."
        )
    try:
        attempt.folder.mkdir(parents=True)
    except OSError as error:
        raise DataRefused(
            f"output must be a folder that can be written to; {attempt.folders.root} cannot ({error.strerror}). "
            "Choose another with --set output=FOLDER."
        ) from error


def _try(
    attempt: _Attempt,
    progress: Progress,
    build: Callable[[Plan], "Pipeline"] | None,
    walk: Walk,
    stop: Stop,
    again: bool,
) -> _Outcome:
    try:
        with alone(attempt.folders.root):
            check(attempt.folders.metadata)
            plan = resolve(attempt.config)
            last = None if again or not plan.source.spans else _last_verdict(plan)
            if last is not None:
                return _nothing_new(plan, last)
            _run_nodes(plan, attempt.run_id, progress, build, walk)
            return dataclasses.replace(_judged(attempt, walk), plan=plan)
    except (Exception, KeyboardInterrupt) as error:
        with contextlib.suppress(OSError):  # The log is on the disk that may be full.
            traceback.print_exc()
        # Beam and TensorFlow may have wrapped the interruption in an error of their own.
        if stop.signal_number is not None:
            return _stopped(stop.signal_number)
        if isinstance(error, KeyboardInterrupt):
            return _stopped(signal.SIGINT)
        failed_node = next((node.id for node in walk.nodes if node.status == "failed"), None)
        told = explain(error, failed_node, str(attempt.folders.root))
        return _Outcome(*told, data=_data(walk, error))


def _last_verdict(plan: Plan) -> RunSummary | None:
    return same_as_last(past_runs(plan.folders.runs, newest_first=True), plan.run_key)


def _nothing_new(plan: Plan, last: RunSummary) -> _Outcome:
    spans = ", ".join(map(str, plan.source.spans))
    message = f"Nothing new in span {spans} since run {last.run_id} ({last.status}); --again runs all the same."
    return _Outcome("unchanged", 0, message, plan=plan)


def _stopped(signal_number: int) -> _Outcome:
    word = "Terminated" if signal_number == signal.SIGTERM else "Interrupted"
    return _Outcome("interrupted", 128 + signal_number, f"{word}; the same command continues the run.")


def _run_nodes(
    plan: Plan, run_id: str, progress: Progress, build: Callable[[Plan], "Pipeline"] | None, walk: Walk
) -> None:
    from pipeline.runners.engine import run_pipeline  # Imports TFX, which takes seconds and is noisy.

    if build is None:
        from pipeline import training

        build = training.build
    run_pipeline(build(plan), run_id, progress, walk)


def _judged(attempt: _Attempt, walk: Walk) -> _Outcome:
    # Of a mended model too, where the run asked for that: the last gate's counts.
    verdict_dir = [outputs for node, outputs in walk.outputs.items() if node.startswith("PushGate")][-1]["Verdict"]
    verdict = _read(verdict_dir / "verdict.json")
    serving = _read(walk.outputs["ServingCheck"]["ServingReport"] / "serving.json")
    pushed = _read(walk.outputs["Pusher"]["PushedModel"] / "pushed.json")
    registration = _read(walk.outputs["RegistryPush"]["Registration"] / "registration.json")
    version = str(pushed["version"]) if pushed["pushed"] else None
    status, exit_code, message = judge(verdict, serving, pushed)
    facts = RunFacts(
        run_id=attempt.run_id,
        started=attempt.started.isoformat(timespec="seconds"),
        seconds=attempt.seconds,
        nodes=tuple(NodeFacts(node.id, node.status, node.seconds) for node in walk.nodes),
        served_version=version,
        registered_version=registration["version"],
        serving=serving,
        config=effective_yaml(attempt.told),
    )
    from components.card.files import write_card  # Imports TFX's file systems.

    card = str(attempt.folder / "card.html")
    write_card(str(verdict_dir), facts, card)
    return _Outcome(status, exit_code, message, _data(walk), verdict, version, registration["version"], card)


def _data(walk: Walk, error: BaseException | None = None) -> dict[str, Any] | None:
    """What the data gate said, also in the error with which it refused."""
    if (refusal := refusal_of(error)) is not None and refusal.found is not None:
        return dict(refusal.found)
    gate = walk.outputs.get("DataGate")
    return _read(gate["DataDecision"] / "decision.json") if gate else None


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
