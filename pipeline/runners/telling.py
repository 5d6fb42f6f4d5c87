"""Who hears of a run when it is over."""

import time
from typing import Final

from components.monitoring.webhook import notify
from pipeline.config import Config
from pipeline.runners.results import RunStatus, RunSummary

# Somebody should look. Who stopped a run knows.
_WORTH_A_MESSAGE: Final[tuple[RunStatus, ...]] = ("blocked", "held", "refused", "failed")


def tell(config: Config, summary: RunSummary) -> tuple[str, ...]:
    """Tells Prometheus, where the configuration says so, and people of a run that somebody should look at.

    Returns:
        A sentence for everybody who could not be told.
    """
    return (*_prometheus(config, summary), *_people(summary))


def _prometheus(config: Config, summary: RunSummary) -> tuple[str, ...]:
    if not config.monitoring.pushgateway and not config.monitoring.textfile:
        return ()
    from components.monitoring.metrics import parts
    from components.monitoring.sending import send

    return send(config.monitoring, summary.pipeline, parts(summary.model_dump(mode="json"), time.time()))


def _people(summary: RunSummary) -> tuple[str, ...]:
    if summary.status not in _WORTH_A_MESSAGE:
        return ()
    title = f"{summary.pipeline}, run {summary.run_id}: {summary.status.upper()}"
    return notify(title, (summary.message, f"Card: {summary.card}" if summary.card else "", f"Log: {summary.log}"))
