"""What a failure means for whoever started the run, found under whatever TFX and Beam wrapped around it."""

import errno
from collections.abc import Iterator
from typing import Final

from components.errors import DataRefused
from pipeline.runners.results import RunStatus
from pipeline.runners.store import StoreUnusable

_NO_ROOM_OR_RIGHT: Final = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
# How native libraries, which know no OSError, say that there is no room.
_NO_ROOM_TEXTS: Final = ("No space left on device", "disk is full")


class AnotherRun(RuntimeError):
    """Somebody else is running this pipeline in the same folder."""


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
            return "refused", 2, str(cause)
        if isinstance(cause, StoreUnusable | AnotherRun):
            return "failed", 1, str(cause)
        if isinstance(cause, OSError) and cause.errno in _NO_ROOM_OR_RIGHT:
            return "failed", 1, f"{cause.filename or root} could not be written: {cause.strerror}."
        if any(text in str(cause) for text in _NO_ROOM_TEXTS):
            return "failed", 1, f"{root} could not be written: No space left on device."
    where = f"{failed_node} failed" if failed_node else "The run failed outside its nodes"
    first_line = next(iter(str(error).strip().splitlines()), "")
    return "failed", 1, f"{where}: {type(error).__name__}{': ' if first_line else ''}{first_line}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
