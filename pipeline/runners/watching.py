"""One look at the log of requests on this machine: run every node, tell what came of it."""

import contextlib
import os
import traceback
from collections.abc import Mapping
from typing import Any, Final

from components.credentials import lent
from components.foreign import json_text
from components.registry.baseline import BASELINE, may_stand_for
from pipeline.config import Config, addresses
from pipeline.runners.attempt import KILLED, Attempt
from pipeline.runners.console import output_to
from pipeline.runners.failures import ended, stopped
from pipeline.runners.lock import alone
from pipeline.runners.place import take_place
from pipeline.runners.progress import Progress, Silent
from pipeline.runners.results import LookSummary, Walk
from pipeline.runners.stopping import Stop, stoppable
from pipeline.runners.store import check
from pipeline.runners.telling import tell_of_look
from pipeline.watching import look_up, monitoring_folders

# As of a training run: 3 something is wrong with what was looked at, 4 a person has to look.
EXIT_CODES: Final = {"quiet": 0, "drift": 3, "undecided": 4}


def look(config: Config, until: str, progress: Progress | None = None) -> LookSummary:
    """Runs the monitoring pipeline and writes `summary.json`, whatever happens.

    Args:
        config: Whose champion and log are meant.
        until: The window's last day, YYYY-MM-DD; empty: today, UTC. A look at another day is told to nobody.
        progress: Is told of every node; None tells nobody.

    Returns:
        What came of it. A failure is a summary too, not an exception.

    Raises:
        DataRefused: The output folder cannot be written to, so there is nowhere to put a summary.
    """
    attempt = Attempt.begin(config, monitoring_folders(config))
    walk, listener = Walk(), progress or Silent()
    attempt.announce(_summary(attempt, walk, *KILLED))

    def abandon(signal_number: int) -> None:
        summary = _summary(attempt, walk, *stopped(signal_number))
        attempt.store(summary, summary.status)
        listener.run_abandoned(summary.status, summary.message)
        os._exit(128 + signal_number)

    with output_to(attempt.log), lent(addresses(config).values()), stoppable(abandon) as stop:
        attempt.finish_killed()
        summary = _try(attempt, until, listener, walk, stop)
    attempt.store(summary, summary.status)
    if until:
        return summary  # A look at the past says nothing of today.
    with output_to(attempt.log):
        warnings = tell_of_look(attempt.config, summary)
    if warnings:
        summary = summary.model_copy(update={"warnings": (*summary.warnings, *warnings)})
        attempt.store(summary, summary.status)
    return summary


def _try(attempt: Attempt, until: str, progress: Progress, walk: Walk, stop: Stop) -> LookSummary:
    try:
        with alone(attempt.folders.root):
            check(attempt.folders.metadata)
            take_place(attempt.folders.metadata, attempt.folders.artifacts)
            watch = look_up(attempt.config, until)
            from pipeline.monitoring import build  # Imports TFX, which takes seconds and is noisy.
            from pipeline.runners.engine import run_pipeline

            # A registry that was emptied gives numbers out again.
            holds = {BASELINE: lambda folder: may_stand_for(folder, watch.champion, watch.fingerprint)}
            run_pipeline(build(watch), attempt.run_id, progress, walk, holds)
            folder = walk.outputs["DriftGate"]["DriftReport"]
            drift = json_text.read(folder / "drift.json")
            page = attempt.folder / "drift.html"
            page.write_text((folder / "drift.html").read_text())
            found = _summary(attempt, walk, drift["status"], EXIT_CODES[drift["status"]], drift["sentence"])
            warnings = _damage(drift["log"])
            return found.model_copy(update={"drift": drift, "page": str(page), "warnings": warnings})
    except (Exception, KeyboardInterrupt) as error:
        with contextlib.suppress(OSError):  # The log is on the disk that may be full.
            traceback.print_exc()
        return _summary(attempt, walk, *ended(error, stop, walk, str(attempt.folders.root)))


def _damage(log: Mapping[str, Any]) -> tuple[str, ...]:
    damaged = log["damaged_files"]
    if not damaged:
        return ()
    return (f"{len(damaged)} of {log['num_files']} log files are damaged, the first is {damaged[0]}",)


def _summary(attempt: Attempt, walk: Walk, status: str, exit_code: int, message: str) -> LookSummary:
    return LookSummary(
        run_id=attempt.run_id,
        pipeline=attempt.config.name,
        started=attempt.started.isoformat(timespec="seconds"),
        seconds=attempt.seconds,
        status=status,  # type: ignore[arg-type]  # pydantic looks
        exit_code=exit_code,
        message=message,
        drift=None,
        page=None,
        log=str(attempt.log),
        config=attempt.config.model_dump(mode="json"),
        nodes=tuple(walk.nodes),
    )
