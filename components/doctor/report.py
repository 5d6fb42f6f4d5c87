"""What the doctor found, for people and for machines."""

import dataclasses
from typing import Any, Final

from components.diagnosis.answers import Diagnosis
from components.diagnosis.evidence import Measurements
from components.diagnosis.symptoms import unseen_validation
from components.ingest.items import Reject
from components.intervals import Counts
from components.push_gate.quality import accuracy
from components.push_gate.rule import Decision

_EXIT_CODES: Final = {"PASS": 0, "BLOCK": 3, "HOLD": 4}
_MOST_REJECTS: Final = 5


@dataclasses.dataclass(frozen=True)
class Report:
    """The verdict on a model, its causes, and what they rest on."""

    decision: Decision
    diagnosis: Diagnosis
    measurements: Measurements
    preprocessing: str | None
    """The family that pictures were preprocessed with; None for arrays."""
    is_preprocessing_guessed: bool
    """Whether nobody named the family."""
    rejects: tuple[Reject, ...]
    num_found: tuple[int, int]
    """Labelled examples in the training and validation data, before sampling and rejects."""
    model_fingerprint: str
    """sha256 of every variable, the same before and after."""
    forward_passes: float
    """Over both splits together."""
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 passed, 3 blocked, 4 held for a human."""
        return _EXIT_CODES[self.decision.outcome]

    def document(self) -> dict[str, Any]:
        """Everything as JSON."""
        return {
            "decision": self.decision.outcome,
            "sentence": self.decision.sentence,
            "codes": list(self.decision.codes),
            "checks": [dataclasses.asdict(check) for check in self.decision.checks],
            "diagnosis": dataclasses.asdict(self.diagnosis) | {"sentence": self.diagnosis.sentence},
            "measurements": dataclasses.asdict(self.measurements),
            "preprocessing": self.preprocessing,
            "is_preprocessing_guessed": self.is_preprocessing_guessed,
            "rejects": [dataclasses.asdict(reject) for reject in self.rejects],
            "num_found": dict(zip(("train", "validation"), self.num_found, strict=True)),
            "model_fingerprint": self.model_fingerprint,
            "forward_passes": self.forward_passes,
            "seconds": self.seconds,
        }

    def verdict(self) -> dict[str, Any]:
        """The same in the form of a run's `verdict.json`, as far as it applies, for the card."""
        found = self.measurements
        return {
            "decision": self.decision.outcome,
            "sentence": self.decision.sentence,
            "codes": list(self.decision.codes),
            "checks": [dataclasses.asdict(check) for check in self.decision.checks],
            "measurements": {
                "A": accuracy(found.modes.first) if found.modes else None,
                "B": accuracy(found.train),
                "C": accuracy(unseen_validation(found)),
                "majority_share": found.majority_validation,
            },
            "counts": {"train": found.train.total, "eval": found.validation.total, "rejected": len(self.rejects)},
            "fingerprints": {"model": self.model_fingerprint},
            "diagnosis": self.document()["diagnosis"] | {"measurements": self.document()["measurements"]},
        }

    def __str__(self) -> str:
        """The report for a person."""
        refused = self.decision.outcome != "PASS"
        causes = self.diagnosis.lines() if refused or self.diagnosis.causes else []
        return "\n".join([f"{self.decision.outcome}  {self.decision.sentence}", "", *self._measured(), *causes])

    def _measured(self) -> list[str]:
        found = self.measurements
        training_mode = _percent(found.modes.first) if found.modes else "not known"
        lines = [
            f"A  training split, training mode    {training_mode}",
            f"B  training split, inference mode   {_percent(found.train)}",
            f"C  validation split, inference mode {_percent(unseen_validation(found))}",
        ]
        if unseen_validation(found).total < found.validation.total:
            lines.append(f"of {found.validation.total} validation examples, the others are copies and do not count")
        if self.preprocessing:
            how = " (most are right with it; --preprocess names another)" if self.is_preprocessing_guessed else ""
            lines.append(f"pictures preprocessed as: {self.preprocessing}{how}")
        if found.source and not found.source.changed:
            lines.append(f"{found.source.num_frozen} frozen layers are as in the source backbone")
        if self.rejects:
            some = "; ".join(f"{one.uri}: {one.detail}" for one in self.rejects[:_MOST_REJECTS])
            more = "; ..." if len(self.rejects) > _MOST_REJECTS else ""
            lines.append(f"{len(self.rejects)} files were not used: {some}{more}")
        for split, counts, total in zip(
            ("training", "validation"), (found.train, found.validation), self.num_found, strict=True
        ):
            if total - counts.total > len(self.rejects):
                lines.append(f"of {total} {split} examples, {counts.total} were drawn")
        return lines


def _percent(counts: Counts) -> str:
    return f"{counts.value:6.1%} of {counts.total}"
