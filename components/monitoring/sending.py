"""Bringing metrics to a Pushgateway or a folder; whatever goes wrong is a sentence, never an exception."""

from collections.abc import Callable, Mapping
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from prometheus_client import CollectorRegistry, push_to_gateway, write_to_textfile
from prometheus_client.exposition import basic_auth_handler

from components.credentials import login
from components.errors import safe, without_credentials
from components.monitoring.settings import MonitoringSettings

_JOB: Final = "frostgate"
_TIMEOUT_SECONDS: Final = 10
_ATTEMPTS: Final = 2


def send(settings: MonitoringSettings, pipeline: str, parts: Mapping[str, CollectorRegistry]) -> tuple[str, ...]:
    """Sends metrics wherever the settings say.

    Args:
        settings: Where to; nowhere is fine.
        pipeline: Groups what is pushed, so that pipelines do not replace each other's numbers.
        parts: Name -> gauges; what was sent of the part before is replaced, and of other parts stays.

    Returns:
        A sentence for everything that could not be sent.
    """
    return (*_pushed(settings.pushgateway, pipeline, parts), *_written(settings.textfile, pipeline, parts))


def _pushed(address: str, pipeline: str, parts: Mapping[str, CollectorRegistry]) -> list[str]:
    for name, part in parts.items() if address else ():
        if why := _trouble(partial(_push, address, pipeline, name, part)):
            # Whoever does not answer once is not waited for with every part.
            return [f"The Pushgateway at {without_credentials(address)} did not take the run's metrics ({why})."]
    return []


def _written(folder: str, pipeline: str, parts: Mapping[str, CollectorRegistry]) -> list[str]:
    found = []
    for name, part in parts.items() if folder else ():
        path = Path(folder) / f"{_JOB}-{pipeline}-{name}.prom"
        if why := _trouble(partial(write_to_textfile, str(path), part)):
            found.append(f"{path} could not be written ({why}).")
    return found


def _push(address: str, pipeline: str, name: str, part: CollectorRegistry) -> None:
    given = login(address)
    user, password = map(unquote, given) if given else (None, None)
    handler = partial(basic_auth_handler, username=user, password=password)
    for attempt in range(_ATTEMPTS):
        try:
            push_to_gateway(
                str(address), f"{_JOB}-{name}", part, {"pipeline": pipeline}, timeout=_TIMEOUT_SECONDS, handler=handler
            )
        except OSError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def _trouble(act: Callable[[], None]) -> str:
    try:
        act()
    except (OSError, ValueError, HTTPException) as error:
        return safe(str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error))
    return ""
