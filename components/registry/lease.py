"""A lease that allows one push at a time, from reading the champion to moving the alias two steps later."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from components import whole_files
from components.errors import DataRefused
from components.foreign import json_text

_FILE: Final = ".push-lease.json"
_LOCK: Final = ".push-lease.lock"
# Longer than a registration with its retries takes; after that time the lease of a process that died is free.
LEASE_SECONDS: Final = 900.0
_ASK_AGAIN_SECONDS: Final = 5.0
# The difference that is allowed between the clocks of two machines.
_CLOCKS_APART_SECONDS: Final = 3_600.0


def take(
    root: Path,
    holder: str,
    patience_seconds: float = LEASE_SECONDS,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Takes the lease on a destination for one model, or waits until it is free.

    The same holder may take it again, which prolongs it: so a step that is tried again does not block itself.

    Args:
        root: Folder that receives versions; exists.
        holder: The model's fingerprint.
        patience_seconds: How long to wait.
        clock: Seconds since 1970, comparable between machines.
        sleep: Waits.

    Raises:
        DataRefused: Another holder had the lease all the time.
    """
    deadline = clock() + patience_seconds
    while True:
        with whole_files.lock(root / _LOCK, 60):
            lease = _read(root)
            if lease is None or lease["holder"] == holder or _has_ended(lease["until"], clock()):
                _write(root, holder, clock() + LEASE_SECONDS)
                return
        if clock() >= deadline:
            raise DataRefused(
                f"Another push, of model {lease['holder'][:12]}, has held {root} for {patience_seconds:g} "
                "seconds. Wait until that run has ended and run again."
            )
        logging.info("waiting for the push of model %s to end", lease["holder"][:12])
        sleep(_ASK_AGAIN_SECONDS)


@contextmanager
def given_back(root: Path, holder: str) -> Iterator[None]:
    """Gives the lease back at the end of the context, errors included; does nothing for an empty holder."""
    try:
        yield
    finally:
        if holder:
            release(root, holder)


def release(root: Path, holder: str) -> None:
    """Gives the lease back; leaves another holder's lease alone, and does nothing where the folder is gone."""
    if not root.is_dir():
        return
    with whole_files.lock(root / _LOCK, 60):
        lease = _read(root)
        if lease is not None and lease["holder"] == holder:
            (root / _FILE).unlink()


def _has_ended(until: float, now: float) -> bool:
    """Returns whether a lease is over; so is one that ends too late, which a wrong clock or a person wrote."""
    return not now < until <= now + LEASE_SECONDS + _CLOCKS_APART_SECONDS


def _read(root: Path) -> dict | None:
    try:
        lease = json_text.read(root / _FILE)
        return {"holder": str(lease["holder"]), "until": float(lease["until"])}
    except (OSError, ValueError, KeyError, TypeError):
        # Without a readable file nobody holds the lease; a half-written one was left by a process that died taking it.
        return None


def _write(root: Path, holder: str, until: float) -> None:
    whole_files.write_text(root / _FILE, json.dumps({"holder": holder, "until": until}))
