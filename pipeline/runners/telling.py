"""Reports a finished run to Prometheus, a collector of traces, and people."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.monitoring.traces import send_traces
from components.monitoring.webhook import notify
from pipeline.config import Config
from pipeline.runners.results import LookStatus, LookSummary, RunStatus, RunSummary

# These ends need a person's attention. An interrupted run is not among them: the person who stopped it knows.
_WORTH_A_MESSAGE: Final[tuple[RunStatus, ...]] = ("blocked", "held", "refused", "failed")
_LOOKS_WORTH_A_MESSAGE: Final[tuple[LookStatus, ...]] = ("drift", "undecided", "refused", "failed")


def tell(config: Config, summary: RunSummary) -> tuple[str, ...]:
    """Reports a run to Prometheus and a collector of traces, and to people where it needs their attention.

    Returns:
        A sentence for each receiver that could not be reached.
    """
    document = summary.model_dump(mode="json")
    return (*_prometheus(config, document), *send_traces(document), *_people(summary))


def tell_of_look(config: Config, summary: LookSummary) -> tuple[str, ...]:
    """Reports a look at the log of requests to the same receivers; returns a sentence for each that was not reached."""
    from components.monitoring.drift import parts
    from components.monitoring.sending import send

    document = summary.model_dump(mode="json")
    warnings = (*send(config.monitoring, config.name, parts(document, time.time())), *send_traces(document))
    page = f"Page: {summary.page}" if summary.page else ""
    lines = (summary.message, page, f"Log: {summary.log}")
    return (*warnings, *tell_people_of_look(summary.pipeline, summary.status, lines))


def tell_people_of_look(pipeline: str, status: LookStatus, lines: Sequence[str]) -> tuple[str, ...]:
    """Sends people a message about a look that needs their attention.

    Args:
        pipeline: The pipeline's name.
        status: How the look ended; only some ends send a message.
        lines: The message below its title; empty lines are left out.

    Returns:
        One sentence if the message could not be sent, else nothing.
    """
    if status not in _LOOKS_WORTH_A_MESSAGE:
        return ()
    return notify(f"{pipeline}, requests: {status.upper()}", lines)


def _prometheus(config: Config, document: Mapping[str, Any]) -> tuple[str, ...]:
    from components.monitoring.metrics import parts
    from components.monitoring.sending import send

    return send(config.monitoring, config.name, parts(document, time.time()))


def _people(summary: RunSummary) -> tuple[str, ...]:
    if summary.status not in _WORTH_A_MESSAGE:
        return ()
    title = f"{summary.pipeline}, run {summary.run_id}: {summary.status.upper()}"
    return notify(title, (summary.message, f"Card: {summary.card}" if summary.card else "", f"Log: {summary.log}"))
