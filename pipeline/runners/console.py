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
    with open(log, "ab") as file:
        handler = logging.StreamHandler(open(os.dup(file.fileno()), "w", encoding="utf-8"))  # noqa: SIM115  closed below
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root, level = logging.getLogger(), logging.getLogger().level
        try:
            for descriptor, _ in saved:
                os.dup2(file.fileno(), descriptor)
            root.addHandler(handler)
            root.setLevel(logging.INFO)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            root.removeHandler(handler)
            root.setLevel(level)
            handler.stream.close()
            for descriptor, original in saved:
                os.dup2(original, descriptor)
                os.close(original)
