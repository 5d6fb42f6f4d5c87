"""Bringing metrics to a Pushgateway or a folder; whatever goes wrong is a sentence, never an exception."""

from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, pushadd_to_gateway, write_to_textfile

from components.monitoring.settings import MonitoringSettings

_JOB: Final = "frostgate"
_TIMEOUT_SECONDS: Final = 10
_ATTEMPTS: Final = 2


def send(
    settings: MonitoringSettings, pipeline: str, run: CollectorRegistry, success: CollectorRegistry | None
) -> tuple[str, ...]:
    """Sends a run's metrics wherever the settings say.

    Args:
        settings: Where to; nowhere is fine.
        pipeline: Groups what is pushed, so that pipelines do not replace each other's numbers.
        run: Of the run.
        success: Of a run that went well; None leaves what the last such run sent.

    Returns:
        A sentence for everything that could not be sent.
    """
    parts = {"": run} | ({"-success": success} if success else {})
    found = []
    if settings.pushgateway:
        reasons = [_trouble(partial(_push, settings.pushgateway, pipeline, part)) for part in parts.values()]
        said = f"The Pushgateway at {settings.pushgateway} did not take the run's metrics"
        found += [f"{said} ({why})." for why in reasons if why]
    if settings.textfile:
        for suffix, part in parts.items():
            path = Path(settings.textfile) / f"{_JOB}-{pipeline}{suffix}.prom"
            if why := _trouble(partial(write_to_textfile, str(path), part)):
                found.append(f"{path} could not be written ({why}).")
    return tuple(dict.fromkeys(found))


def _push(address: str, pipeline: str, part: CollectorRegistry) -> None:
    """Replaces metrics of these names and leaves others, so that the time of the last success stays."""
    for attempt in range(_ATTEMPTS):
        try:
            pushadd_to_gateway(address, _JOB, part, {"pipeline": pipeline}, timeout=_TIMEOUT_SECONDS)
        except OSError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def _trouble(act: Callable[[], None]) -> str:
    try:
        act()
    except (OSError, ValueError, HTTPException) as error:
        return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error)
    return ""
