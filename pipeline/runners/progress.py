"""Who is told how a run goes."""

from collections.abc import Sequence
from typing import Protocol

from pipeline.runners.results import NodeResult


class Progress(Protocol):
    """Hears of every node as it starts and ends."""

    def run_started(self, run_id: str, node_ids: Sequence[str]) -> None:
        """Called once, when the nodes are known, in the order they will run."""

    def node_started(self, node_id: str) -> None:
        """Called before a node is looked up in the cache or executed."""

    def node_finished(self, result: NodeResult) -> None:
        """Called when a node is done, cached or failed, and for each node that is skipped after a failure."""

    def run_abandoned(self, status: str, message: str) -> None:
        """Called in another thread when a stopped run hangs in native code, just before the process is ended."""


class Silent:
    """Tells nobody."""

    def run_started(self, run_id: str, node_ids: Sequence[str]) -> None:
        """Ignores it."""

    def node_started(self, node_id: str) -> None:
        """Ignores it."""

    def node_finished(self, result: NodeResult) -> None:
        """Ignores it."""

    def run_abandoned(self, status: str, message: str) -> None:
        """Ignores it."""
