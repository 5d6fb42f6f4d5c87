"""Ctrl-C and SIGTERM end a run within seconds, even one that is deep inside native code."""

import contextlib
import dataclasses
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from io import RawIOBase
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
GRACE_SECONDS: Final = 5.0


class Stopped(KeyboardInterrupt):
    """A run was asked to stop; libraries let it pass as they do Ctrl-C."""


@dataclasses.dataclass
class Stop:
    """Whether a run was asked to stop."""

    signal_number: int | None = None

    def raise_once(self, signal_number: int, frame: FrameType | None) -> None:
        """Handles a signal; a second exception would tear the clean-up that the first one started."""
        if self.signal_number is None:
            self.signal_number = signal_number
            raise Stopped(signal.Signals(signal_number).name)


@contextlib.contextmanager
def stoppable(when_stuck: Callable[[int], None], grace_seconds: float = GRACE_SECONDS) -> Iterator[Stop]:
    """Raises `Stopped` on the first SIGINT or SIGTERM; outside the main thread it does nothing.

    Args:
        when_stuck: Called in another thread with the signal's number when the block has not been left
            `grace_seconds` after the first signal, or at once on a second one. Has to end the process.
        grace_seconds: How long the block may take to clean up.

    Yields:
        What tells whether a signal came, for libraries that swallow or wrap the exception.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    arrivals, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    threading.Thread(target=_watch, args=(arrivals, when_stuck, grace_seconds), daemon=True).start()
    # A handler waits until native code returns to Python; the byte in this pipe does not.
    previous_wakeup = signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    previous = {number: signal.signal(number, stop.raise_once) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous_wakeup)
        os.close(wakeup)


def _watch(arrivals: int, when_stuck: Callable[[int], None], grace_seconds: float) -> None:
    with open(arrivals, "rb", buffering=0) as pipe:
        first = _next_signal(pipe)
        if first is None:
            return
        try:
            is_left = _next_signal(pipe, grace_seconds) is None
        except TimeoutError:
            is_left = False
    if not is_left:
        when_stuck(first)


def _next_signal(pipe: RawIOBase, timeout_seconds: float | None = None) -> int | None:
    """Waits for SIGINT or SIGTERM; None when the pipe was closed, and the block so left."""
    while True:
        if not select.select([pipe], [], [], timeout_seconds)[0]:
            raise TimeoutError
        byte = pipe.read(1)
        if not byte:
            return None
        if byte[0] in _SIGNALS:
            return byte[0]
