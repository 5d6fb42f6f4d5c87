"""What the runner knows about a run and the gate cannot."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """How long one node of the pipeline took."""

    id: str
    status: str
    """`done`, `cached`, `failed` or `skipped`."""
    seconds: float | None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run as its runner saw it; every part may be unknown."""

    run_id: str | None = None
    started: str | None = None
    """ISO 8601."""
    seconds: float | None = None
    nodes: tuple[NodeFacts, ...] = ()
    served_version: str | None = None
    registered_version: str | None = None
    serving: Mapping[str, Any] | None = None
    """`serving.json` of the serving check."""
    config: str | None = None
    """The effective configuration, as YAML."""
