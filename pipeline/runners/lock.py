"""One run at a time in a pipeline's folder, and whether a run's process is alive."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import filelock

from components import whole_files
from pipeline.runners.errors import AnotherRun

# In a run's folder: what came of it, and what is to be said of it if its process ends without a word.
SUMMARY: Final = "summary.json"
BEGUN: Final = "begun.json"
_LOCK: Final = "running.lock"


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Lets one run at a time into a pipeline's folder: ML Metadata's SQLite store takes one writer."""
    owner = root / "run.pid"
    try:
        lock = whole_files.lock(root / "run.lock", 0).acquire()
    except filelock.Timeout:
        process = owner.read_text() if owner.exists() else "unknown"
        raise AnotherRun(
            f"Process {process} is running this pipeline in {root} already. "
            "Wait for it, or give this run another name or output."
        ) from None
    with lock:
        whole_files.write_text(owner, str(os.getpid()))
        yield


def run_lock(folder: Path) -> filelock.BaseFileLock:
    """Returns the lock that the process of a run holds for as long as it lives, however it ends."""
    return whole_files.lock(folder / _LOCK, -1)


def is_running(folder: Path) -> bool:
    """Says whether the process of the run in a folder is alive."""
    if not (folder / _LOCK).is_file():
        return False
    try:
        with run_lock(folder).acquire(timeout=0):
            return False
    except filelock.Timeout:
        return True
