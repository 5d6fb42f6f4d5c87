"""How the rules word and weigh their answers."""

from typing import Final

from components.diagnosis.advice import FIXES, TITLES
from components.diagnosis.answers import Cause, Confidence
from components.diagnosis.evidence import Measurements
from components.intervals import Counts

# What undoing a cause must give back of the lost accuracy for it to be strong evidence.
_STRONG_SHARE: Final = 0.5


def named(name: str, confidence: Confidence, evidence: tuple[str, ...], explains: float | None) -> Cause:
    """A cause with its title and fix."""
    return Cause(name, TITLES[name], confidence, evidence, explains, FIXES[name])


def confidence_in(explains: float | None) -> Confidence:
    """Strong where undoing a cause gave back at least half of what was lost."""
    return "strong" if explains is not None and explains >= _STRONG_SHARE else "moderate"


def share_given_back(given_back: float, lost: float) -> float | None:
    """What was given back of what was lost, in [0, 1]; None where nothing was lost."""
    return min(1.0, max(0.0, given_back / lost)) if lost > 0 else None


def why_not(measured: Measurements, probe: str, otherwise: str = "the scores did not call for it") -> str:
    """Why a probe did not run, as far as is known."""
    return (measured.unexamined or {}).get(probe, otherwise)


def top_share(share: float) -> str:
    """The favourite class's share as a clause."""
    return f"{share:.1%} of validation examples are predicted to be one class"


def percent(counts: Counts) -> str:
    """An accuracy for people."""
    return f"{counts.value:.1%}"
