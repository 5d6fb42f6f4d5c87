"""Keeps the libraries' noise in a file while a run goes on."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def output_to(log: Path | str) -> Iterator[None]:
    """Sends everything that is written to standard output and error, by C++ libraries too, to a file.

    Args:
        log: Is appended to.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    root, level = logging.getLogger(), logging.getLogger().level
    file = open(log, "a", encoding="utf-8", buffering=1)  # noqa: SIM115  closed below, whatever the disk says
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        for descriptor, _ in saved:
            os.dup2(file.fileno(), descriptor)
        # In a notebook or a test, Python's own streams are not the descriptors.
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for descriptor, original in saved:
            os.dup2(original, descriptor)
            os.close(original)
        with contextlib.suppress(OSError):
            file.close()  # Writes what is left; on a full disk the log ends before it.
