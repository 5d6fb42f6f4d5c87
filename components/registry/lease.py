"""One push at a time: from the look at the champion to the move of the alias, two steps later."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock

from components.errors import DataRefused

_FILE: Final = ".push-lease.json"
_LOCK: Final = ".push-lease.lock"
# Longer than a registration with its retries takes; what died is overtaken after it.
LEASE_SECONDS: Final = 900.0
_ASK_AGAIN_SECONDS: Final = 5.0
# How far the clocks of two machines may be apart.
_CLOCKS_APART_SECONDS: Final = 3_600.0


def take(
    root: Path,
    holder: str,
    patience_seconds: float = LEASE_SECONDS,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Takes the destination for one model, or waits for whoever has it.

    Taking it again prolongs it, so that a step that is tried again is not stopped by itself.

    Args:
        root: Folder that receives versions; exists.
        holder: The model's fingerprint.
        patience_seconds: How long to wait.
        clock: Seconds since 1970, comparable between machines.
        sleep: Waits.

    Raises:
        DataRefused: Somebody else had it all the time.
    """
    deadline = clock() + patience_seconds
    while True:
        with FileLock(root / _LOCK, timeout=60):
            found = _read(root)
            if found is None or found["holder"] == holder or _has_ended(found["until"], clock()):
                _write(root, holder, clock() + LEASE_SECONDS)
                return
        if clock() >= deadline:
            raise DataRefused(
                f"Another push, of model {found['holder'][:12]}, has held {root} for {patience_seconds:g} "
                "seconds. Wait until that run has ended and run again."
            )
        logging.info("waiting for the push of model %s to end", found["holder"][:12])
        sleep(_ASK_AGAIN_SECONDS)


@contextmanager
def given_back(root: Path, holder: str) -> Iterator[None]:
    """Gives the destination back whatever happens inside; an empty holder has nothing to give back."""
    try:
        yield
    finally:
        if holder:
            release(root, holder)


def release(root: Path, holder: str) -> None:
    """Gives the destination back; somebody else's is left alone, and so is a folder that is gone."""
    if not root.is_dir():
        return
    with FileLock(root / _LOCK, timeout=60):
        found = _read(root)
        if found is not None and found["holder"] == holder:
            (root / _FILE).unlink()


def _has_ended(until: float, now: float) -> bool:
    """Nobody was given more than LEASE_SECONDS: what ends later was written by a clock that is wrong, or by hand."""
    return not now < until <= now + LEASE_SECONDS + _CLOCKS_APART_SECONDS


def _read(root: Path) -> dict | None:
    try:
        found = json.loads((root / _FILE).read_bytes())
        return {"holder": str(found["holder"]), "until": float(found["until"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # Without a readable file nobody holds the lease; a half-written one was left by a process that died taking it.
        return None


def _write(root: Path, holder: str, until: float) -> None:
    unfinished = root / f"{_FILE}.unfinished"
    unfinished.write_text(json.dumps({"holder": holder, "until": until}))
    unfinished.replace(root / _FILE)
