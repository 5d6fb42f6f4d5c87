"""One run at a time in a pipeline's folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

from pipeline.runners.errors import AnotherRun


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Lets one run at a time into a pipeline's folder: ML Metadata's SQLite store takes one writer."""
    owner = root / "run.pid"
    try:
        lock = filelock.FileLock(root / "run.lock").acquire(timeout=0)
    except filelock.Timeout:
        process = owner.read_text() if owner.exists() else "unknown"
        raise AnotherRun(
            f"Process {process} is running this pipeline in {root} already. "
            "Wait for it, or give this run another name or output."
        ) from None
    with lock:
        owner.write_text(str(os.getpid()))
        yield
