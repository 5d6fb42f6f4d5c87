"""Keeps the libraries' noise in a file while a run goes on, and passwords out of it."""

import contextlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from components.credentials import conceal_environment
from components.errors import safe


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
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file), safe_output():
            yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for descriptor, original in saved:
            os.dup2(original, descriptor)
            os.close(original)
        with contextlib.suppress(OSError):
            file.close()  # Writes what is left; on a full disk the log ends before it.
            clean(Path(log))


@contextlib.contextmanager
def safe_output() -> Iterator[None]:
    """Takes passwords, the environment's too, out of whatever Python prints and logs, tracebacks included."""
    conceal_environment()
    make = logging.getLogRecordFactory()
    # Some libraries' handlers have a stream of their own.
    logging.setLogRecordFactory(_safely(make))
    said: Any = _SafeStream(sys.stdout)
    complained: Any = _SafeStream(sys.stderr)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
            yield
    finally:
        logging.setLogRecordFactory(make)


def run_safely(main: Callable[[], int]) -> NoReturn:
    """Ends the process as `main` says; nothing that it prints has a password, and no traceback either."""
    with safe_output():
        try:
            code = main()
        except Exception:
            traceback.print_exc()
            code = 1
    raise SystemExit(code)


def print_threads_errors_safely() -> None:
    """Takes passwords out of the tracebacks with which this process's threads end."""

    def tell(told: threading.ExceptHookArgs) -> None:
        error = told.exc_value or told.exc_type()
        print(safe("".join(traceback.format_exception(error))), end="", file=sys.stderr)

    threading.excepthook = tell


def clean(log: Path) -> None:
    """Takes passwords out of what children and C++ libraries wrote, which Python's streams never saw."""
    if not log.is_file():
        return
    text = log.read_bytes().decode("utf-8", "surrogateescape")
    if (said := safe(text)) != text:
        unfinished = log.with_name(f"{log.name}.unfinished")
        unfinished.write_bytes(said.encode("utf-8", "surrogateescape"))
        unfinished.replace(log)


def _safely(make: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        with contextlib.suppress(Exception):  # The handler complains of arguments that do not fit the message.
            message = record.getMessage()
            if (said := safe(message)) != message:
                record.msg, record.args = said, ()
        if record.exc_info and record.exc_info[0] is not None:
            # A formatter takes this text instead of making one.
            record.exc_text = safe("".join(traceback.format_exception(*record.exc_info))).rstrip("\n")
        return record

    return made


class _SafeStream:
    """A text stream without passwords in what Python writes to it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(safe(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
