"""What the rules answer: a cause, or why it is none, or why nobody knows; values without behaviour."""

from dataclasses import dataclass
from typing import Literal

Confidence = Literal["strong", "moderate"]


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong."""

    id: str
    title: str
    confidence: Confidence
    evidence: tuple[str, ...]
    """One clause each, with its numbers."""
    explains: float | None
    """Share of the lost accuracy that undoing it gave back, 0..1; None where it cannot be undone on the model."""
    fix: str


@dataclass(frozen=True)
class RuledOut:
    """One thing that is not wrong, and the number that says so."""

    id: str
    by: str


@dataclass(frozen=True)
class Unexamined:
    """One thing that could not be examined, and why."""

    id: str
    why: str


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a model; no causes where nothing is to be seen."""

    causes: tuple[Cause, ...]
    """Strongest first."""
    ruled_out: tuple[RuledOut, ...]
    unexamined: tuple[Unexamined, ...]

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        if not self.causes:
            missing = ", ".join(one.id for one in self.unexamined)
            return f"No cause was found; not examined: {missing}." if missing else "No cause was found."
        first, *others = self.causes
        also = f" Also: {'; '.join(cause.title for cause in others)}." if others else ""
        return f"{first.title[0].upper()}{first.title[1:]}: {first.evidence[0]}.{also}"


Answer = Cause | RuledOut | Unexamined
