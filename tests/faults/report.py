"""What a campaign found, by kind and by step."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.intervals import Counts, wilson


@dataclass(frozen=True)
class Tried:
    """What came of a fault; see `trial.Fault`.

    Attributes:
        detail: What was done, and what was said.
        outcome: How the run that it happened to ended.
        violations: What did not hold, a sentence each.
        seconds: What it took, the next run included.
    """

    number: int
    kind: str
    story: str
    step: str
    detail: str
    outcome: str
    violations: list[str]
    seconds: float

    @property
    def line(self) -> str:
        """In one line."""
        detail = " ".join(self.detail.split())
        return f"#{self.number} {self.kind} ({self.story}, {self.step}; {detail}): {self.outcome}, {self.seconds} s"


def sentence(found: Sequence[Tried]) -> str:
    """The whole campaign in a sentence."""
    bad = [one for one in found if one.violations]
    names = f": {', '.join(f'#{one.number}' for one in bad)}" if bad else ""
    return f"{len(found)} faults, of which {len(bad)} had something that did not hold{names}."


def write(found: Sequence[Tried], seed: int, path: Path) -> None:
    """Writes tables by kind and by step, with intervals."""
    lines = [
        "# Faults",
        "",
        f"`make faults FAULTS={len(found)} SEED={seed}`; rates with the bound below which they are at 95 % confidence.",
        "",
        *_table(found, "kind", lambda one: one.kind),
        "",
        *_table(found, "step", lambda one: one.step),
        "",
        *(f"- {one.line}: {violation}" for one in found for violation in one.violations),
    ]
    path.write_text("\n".join(lines).rstrip() + "\n")
    print(f"written to {path}")


def _table(found: Sequence[Tried], what: str, key: Callable[[Tried], str]) -> list[str]:
    lines = [f"| {what} | faults | how the run ended | something did not hold |", "|---|---|---|---|"]
    for name in [*sorted({key(one) for one in found}), "all"]:
        some = [one for one in found if name in (key(one), "all")]
        bad = sum(bool(one.violations) for one in some)
        upper = wilson(Counts(bad, len(some)), 0.95).high
        ends = ", ".join(f"{count} {outcome}" for outcome, count in Counter(one.outcome for one in some).most_common())
        lines.append(f"| {name} | {len(some)} | {ends} | {bad} (at most {upper:.1%}) |")
    return lines
