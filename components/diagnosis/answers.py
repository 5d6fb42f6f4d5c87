"""What the rules answer: a cause, or why it is none, or why nobody knows; values without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

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

    def lines(self) -> list[str]:
        """The finding for a person: every cause with evidence and fix, what was ruled out, and what is not known."""
        written = []
        for number, cause in enumerate(self.causes, 1):
            written += ["", f"{number}. {cause.title} ({cause.id}, {cause.confidence} evidence)"]
            written += [f"   - {clause}" for clause in cause.evidence]
            if cause.explains is not None:
                written.append(f"   - undoing it gives back {cause.explains:.0%} of the lost accuracy")
            written.append(f"   {cause.fix}")
        if not self.causes:
            written += ["", self.sentence]
        written += _listed("ruled out", [f"{one.id}: {one.by}" for one in self.ruled_out])
        return written + _listed("not examined", [f"{one.id}: {one.why}" for one in self.unexamined])


def from_document(document: Mapping[str, Any]) -> Diagnosis:
    """Reads a diagnosis back from a verdict."""
    return Diagnosis(
        tuple(Cause(**one | {"evidence": tuple(one["evidence"])}) for one in document["causes"]),
        tuple(RuledOut(**one) for one in document["ruled_out"]),
        tuple(Unexamined(**one) for one in document["unexamined"]),
    )


def _listed(title: str, clauses: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"   - {clause}" for clause in clauses)] if clauses else []


Answer = Cause | RuledOut | Unexamined
