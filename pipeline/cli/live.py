"""What a person sees while a run goes on."""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Final, TextIO

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from pipeline.runners.progress import Progress
from pipeline.runners.results import NodeResult

_LONG_SECONDS: Final = 20.0
_MARKS: Final = {"done": "✓", "cached": "=", "failed": "✗", "skipped": "-"}


@contextlib.contextmanager
def progress_to(stream: TextIO) -> Iterator[Progress]:
    """Shows a run's progress: a moving line on a terminal, a line for each node elsewhere.

    Args:
        stream: Its descriptor is copied, so that it may be sent elsewhere while the run goes on.
    """
    with open(os.dup(stream.fileno()), "w", encoding="utf-8") as copy:
        console = _Console(file=copy, highlight=False)
        if console.is_terminal:
            with _Live(console) as live:
                yield live
        else:
            yield _Lines(console)


class _Console(Console):
    """Falls silent where nobody listens any more, as in `| head`; the run goes on."""

    def on_broken_pipe(self) -> None:
        """Is called instead of raising; what is left in the buffer goes nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
        self.quiet = True


class _Lines:
    """A line when a node has ended, and one more when it takes long."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._reminder: threading.Timer | None = None

    def run_started(self, run_id: str, node_ids: Sequence[str]) -> None:
        self._console.print(f"run {run_id}, {len(node_ids)} nodes")

    def node_started(self, node_id: str) -> None:
        self._reminder = threading.Timer(_LONG_SECONDS, self._console.print, [f"  {node_id} is running"])
        self._reminder.daemon = True
        self._reminder.start()

    def node_finished(self, result: NodeResult) -> None:
        if self._reminder:
            self._reminder.cancel()
        seconds = "" if result.status == "skipped" else f"{result.seconds:8.1f} s"
        self._console.print(f"{_MARKS[result.status]} {result.id:<18} {result.status:<8}{seconds}", soft_wrap=True)

    def run_abandoned(self, status: str, message: str) -> None:
        self._console.print(f"{status.upper()}  {message}", soft_wrap=True)


class _Live(_Lines):
    """The same, and a moving line for the node that is running."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bars = Bars(*columns, console=console, transient=True)
        self._task = self._bars.add_task("starting")
        self._lock = threading.Lock()
        self._num_nodes, self._position = 0, 0

    def __enter__(self) -> "_Live":
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def run_started(self, run_id: str, node_ids: Sequence[str]) -> None:
        super().run_started(run_id, node_ids)
        self._num_nodes = len(node_ids)

    def node_started(self, node_id: str) -> None:
        self._position += 1
        with self._lock:
            self._bars.reset(self._task, description=f"{node_id} ({self._position} of {self._num_nodes})")

    def run_abandoned(self, status: str, message: str) -> None:
        self._bars.stop()  # Gives the cursor back.
        super().run_abandoned(status, message)
