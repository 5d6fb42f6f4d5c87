"""A lease that allows one push at a time, from reading the champion to moving the alias two steps later."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from filelock import BaseFileLock, Timeout

from components import whole_files
from components.errors import DataRefused
from components.foreign import json_text

_FILE: Final = ".push-lease.json"
_LOCK: Final = ".push-lease.lock"
# Whoever will give the lease back itself has this file locked until then; the system drops a dead process's lock.
_PROCESS: Final = ".push-lease.process"
# Longer than a registration with its retries takes; after that time a lease that nobody gave back is free.
LEASE_SECONDS: Final = 900.0
_ASK_AGAIN_SECONDS: Final = 5.0
# The difference that is allowed between the clocks of two machines.
_CLOCKS_APART_SECONDS: Final = 3_600.0

_ends_with_process = False
_held: dict[Path, BaseFileLock] = {}


@contextmanager
def of_this_process() -> Iterator[None]:
    """Leases that are taken in the context end with this process; others last, for another process gives them back."""
    global _ends_with_process
    before, _ends_with_process = _ends_with_process, True
    try:
        yield
    finally:
        _ends_with_process = before


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
    deadline, is_told = clock() + patience_seconds, False
    while True:
        with whole_files.lock(root / _LOCK, 60):
            lease = _read(root)
            if lease is None or lease["holder"] == holder or _has_ended(lease, clock()) or _is_dead(root, lease):
                _write(root, holder, clock() + LEASE_SECONDS, _ends_with_process and _hold(root))
                return
        if clock() >= deadline:
            raise DataRefused(
                f"Another push, of model {lease['holder'][:12]}, has held {root} for {patience_seconds:g} "
                "seconds. Wait until that run has ended and run again."
            )
        if not is_told:
            seconds = min(lease["until"], deadline) - clock()
            logging.warning("Waiting for the push of model %s to end, %.0f s at most.", lease["holder"][:12], seconds)
            is_told = True
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
            if process := _held.pop(root.resolve(), None):
                process.release()


def _hold(root: Path) -> bool:
    """Locks the file that says that this process lives; another process with the same model may have it."""
    if root.resolve() not in _held:
        process = whole_files.lock(root / _PROCESS, 0)
        try:
            process.acquire()
        except Timeout:
            return False
        _held[root.resolve()] = process
    return True


def _is_dead(root: Path, lease: dict[str, Any]) -> bool:
    """Returns whether the process that was to give a lease back is no more."""
    if not lease["ends_with_process"] or root.resolve() in _held:
        return False
    try:
        with whole_files.lock(root / _PROCESS, 0):
            return True
    except Timeout:
        return False


def _has_ended(lease: dict[str, Any], now: float) -> bool:
    """Returns whether a lease is over; so is one that ends too late, which a wrong clock or a person wrote."""
    return not now < lease["until"] <= now + LEASE_SECONDS + _CLOCKS_APART_SECONDS


def _read(root: Path) -> dict[str, Any] | None:
    try:
        lease = json_text.read(root / _FILE)
        return {
            "holder": str(lease["holder"]),
            "until": float(lease["until"]),
            "ends_with_process": lease.get("ends_with_process") is True,
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Without a readable file nobody holds the lease; a half-written one was left by a process that died taking it.
        return None


def _write(root: Path, holder: str, until: float, ends_with_process: bool) -> None:
    lease = {"holder": holder, "until": until, "ends_with_process": ends_with_process}
    whole_files.write_text(root / _FILE, json.dumps(lease))
