"""What a failure means for whoever started the run, found under whatever TFX and Beam wrapped around it."""

import errno
import re
import signal
from collections.abc import Iterator
from typing import Final

from components.errors import ArtifactChanged, DataRefused, place_of
from components.registry.protocol import ChampionMoved, RegistryUnavailable
from pipeline.runners.errors import AnotherRun, StoreUnusable
from pipeline.runners.results import RunStatus, Walk
from pipeline.runners.stopping import Stop

_NO_ROOM_OR_RIGHT: Final = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
# How native libraries, which know no OSError, say that there is no room; the last is ML Metadata, whose transaction
# SQLite has taken back.
_NO_ROOM_TEXTS: Final = ("No space left on device", "disk is full", "cannot commit - no transaction is active")
# Beam adds its step to a message, and hands over what its workers raised as the text of a traceback.
_BEAM_STEP: Final = re.compile(r" \[while running '.*", re.DOTALL)
_REFUSED_BY_WORKER: Final = re.compile(
    rf"^{re.escape(DataRefused.__module__)}\.{DataRefused.__name__}: (.*?)"
    r"(?: \[while running '|\n\nThe above exception|\n\nDuring handling|\Z)",
    re.DOTALL | re.MULTILINE,
)
_TRACEBACK: Final = "Traceback (most recent call last):\n"


def ended(error: BaseException, stop: Stop, walk: Walk, root: str) -> tuple[RunStatus, int, str]:
    """Says how a run ended that raised.

    Args:
        error: What was raised.
        stop: Whether the run was asked to stop.
        walk: How far it came.
        root: The folder that it writes to.

    Returns:
        As `explain`.
    """
    # Beam and TensorFlow may have wrapped the interruption in an error of their own.
    if stop.signal_number is not None:
        return stopped(stop.signal_number)
    if isinstance(error, KeyboardInterrupt):
        return stopped(signal.SIGINT)
    failed_node = next((node.id for node in walk.nodes if node.status == "failed"), None)
    return explain(error, failed_node, root)


def stopped(signal_number: int) -> tuple[RunStatus, int, str]:
    """Words an interruption."""
    word = "Terminated" if signal_number == signal.SIGTERM else "Interrupted"
    return "interrupted", 128 + signal_number, f"{word}; the same command continues the run."


def explain(error: BaseException, failed_node: str | None, root: str) -> tuple[RunStatus, int, str]:
    """Words a failure.

    Args:
        error: What was raised.
        failed_node: The node that raised it, or None.
        root: The folder that the run writes to.

    Returns:
        The run's status, the exit code and a sentence; a line a fault when several things were refused.
    """
    for cause in _chain(error):
        if isinstance(cause, DataRefused):
            return "refused", 2, _BEAM_STEP.sub("", str(cause))
        if refused := _REFUSED_BY_WORKER.search(str(cause)):
            return "refused", 2, refused[1].strip()
        if isinstance(cause, ArtifactChanged):
            return "failed", 1, f"{cause} The same command makes it again."
        if isinstance(cause, StoreUnusable | AnotherRun):
            return "failed", 1, str(cause)
        if isinstance(cause, OSError) and cause.errno in _NO_ROOM_OR_RIGHT:
            return "failed", 1, f"{place_of(cause) or root} could not be written: {cause.strerror}."
        if any(text in str(cause) for text in _NO_ROOM_TEXTS):
            return "failed", 1, f"{root} could not be written: No space left on device."
    where = f"{failed_node} failed" if failed_node else "The run failed outside its nodes"
    ours = next((cause for cause in _chain(error) if isinstance(cause, RegistryUnavailable | ChampionMoved)), None)
    return "failed", 1, f"{where}: {ours or _headline(error)}"


def refusal_of(error: BaseException | None) -> DataRefused | None:
    """Finds the refusal under what was raised around it."""
    return next((cause for cause in _chain(error) if isinstance(cause, DataRefused)), None)


def changed_artifact(error: BaseException) -> str | None:
    """Finds the folder of the artifact that was not what had been judged, under what was raised around it."""
    return next((cause.folder for cause in _chain(error) if isinstance(cause, ArtifactChanged)), None)


def _headline(error: BaseException) -> str:
    """Returns an error's type and the first line of what it says."""
    text = _BEAM_STEP.sub("", str(error).strip())
    if _TRACEBACK in text:
        below = text.rpartition(_TRACEBACK)[2].splitlines()
        return next((line for line in below if not line.startswith(" ")), type(error).__name__)
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
