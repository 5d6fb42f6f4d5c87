"""`decision.json`: what the data gate decided, and the numbers that are watched from run to run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from components.data_gate.decision import Decision
from components.data_gate.distances import Distance
from components.ingest.report import Report
from components.intervals import Counts, wilson

_CONFIDENCE: Final = 0.975


def document(
    decision: Decision, anomalies: Mapping[str, Mapping[str, int]], report: Report, distances: Sequence[Distance]
) -> dict[str, Any]:
    """Builds `decision.json`.

    Args:
        decision: The decision and its reasons.
        anomalies: Split -> feature -> number of findings.
        report: The ingest's counts.
        distances: Of the validation split from the training split.
    """
    return {
        **asdict(decision),
        "anomalies": {split: dict(found) for split, found in sorted(anomalies.items())},
        "images": {
            **report.by_split,
            "rejected": report.num_rejected,
            "duplicates": report.num_duplicates,
        },
        "rejected_by_reason": dict(report.rejected_by_reason),
        "reject_share": _share(report.num_rejected, report.num_read),
        "distances": [asdict(one) for one in distances],
    }


def _share(part: int, total: int) -> dict[str, Any] | None:
    if not total:
        return None
    return {"value": part / total, "interval": asdict(wilson(Counts(part, total), _CONFIDENCE))}
