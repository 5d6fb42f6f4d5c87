"""`verdict.json` and `evidence.json`: a judgement as plain values; pure but for reading pictures."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from components.evaluation.results import OVERALL
from components.intervals import Counts, Interval
from components.push_gate.evidence import Evidence
from components.push_gate.exported import finite
from components.push_gate.judge import Judgement
from components.push_gate.measure import Measurement
from components.push_gate.pictures import thumbnail
from components.push_gate.quality import SliceResult, accuracy
from components.push_gate.scores import SplitScores, confusion, per_class, reliability
from components.push_gate.settings import GateSettings
from schemas import features

SCHEMA_VERSION: Final = 1
_NUM_WORST: Final = 12


def verdict_document(
    judgement: Judgement,
    settings: GateSettings,
    facts: Mapping[str, Any] | None,
    config_fingerprint: str,
) -> dict[str, Any]:
    """Builds `verdict.json`, as `schemas/verdict.schema.json` says.

    Args:
        judgement: The decision and its evidence.
        settings: The thresholds that were used.
        facts: The export's `frostgate.json`; None where it could not be read.
        config_fingerprint: Of the run's configuration.
    """
    decision, evidence, known = judgement.decision, judgement.evidence, facts or {}
    document = {
        "schema_version": SCHEMA_VERSION,
        "decision": decision.outcome,
        "sentence": decision.sentence,
        "codes": list(decision.codes),
        "checks": [asdict(check) for check in decision.checks],
        "measurements": _measurements(judgement),
        "baseline": _baseline(evidence),
        "slices": [slice_document(result) for result in decision.slices],
        "thresholds": settings.model_dump(mode="json"),
        "counts": _counts(judgement),
        "copies": _copies(evidence),
        "fingerprints": {
            "model": judgement.model_fingerprint,
            "weights": judgement.weights_fingerprint,
            "data": (judgement.documents.ingest or {}).get("fingerprint"),
            "backbone": (known.get("backbone") or {}).get("sha256"),
            "config": config_fingerprint or None,
        },
        "repaired_from": known.get("repaired_from"),
        "warm_start": _warm_start(judgement.documents.history),
        "versions": known.get("versions") or {},
        "seed": known.get("seed"),
        "diagnosis": judgement.explanation.document() if judgement.explanation else None,
    }
    return finite(document)


def evidence_document(judgement: Judgement) -> dict[str, Any]:
    """Builds `evidence.json`, what the card shows beside the verdict; parts that were not measured are empty."""
    documents, measured = judgement.documents, judgement.measurement
    document = {
        "history": documents.history,
        "freeze_proof": documents.freeze_proof,
        "ingest": documents.ingest,
        "copies": list(measured.copies.shown) if measured else [],
        "tfma": {split: dict(metrics.get(OVERALL, {})) for split, metrics in judgement.tfma.items()},
        **(_measured_parts(measured) if measured else _no_parts()),
    }
    return finite(document)


def _measurements(judgement: Judgement) -> dict[str, Any]:
    evidence, measured = judgement.evidence, judgement.measurement
    return {
        "claimed": accuracy(judgement.claimed),
        "A": accuracy(evidence.training_mode),
        "B": accuracy(evidence.train.counts if evidence.train else None),
        "C": accuracy(evidence.validation.counts if evidence.validation else None),
        "majority_share": evidence.majority_share,
        "top_share": evidence.top_share,
        "top_class": evidence.top_class,
        "parity_difference": evidence.parity.difference if evidence.parity else None,
        "loss": {split: measured.counted(split).loss if measured else None for split in features.JUDGED},
    }


def _baseline(evidence: Evidence) -> dict[str, Any] | None:
    if evidence.champion is None:
        return None
    first = evidence.champion.pairs.first
    return {"version": evidence.champion.version, "accuracy": first.value, "total": first.total}


def _warm_start(history: Mapping[str, Any] | None) -> dict[str, Any] | None:
    start = (history or {}).get("warm_start")
    # A trainer of one's own may write anything.
    if not isinstance(start, Mapping) or not isinstance(start.get("sentence"), str):
        return None
    version = start.get("version")
    return {"version": None if version is None else str(version), "sentence": start["sentence"]}


def slice_document(result: SliceResult) -> dict[str, Any]:
    """A slice as the verdict has it."""
    part = result.evidence
    return {
        "name": part.name,
        "train": _share(part.training),
        "eval": _share(part.validation),
        "gap": result.training.value - part.validation.value if result.training else None,
        "interval": _interval(result.interval),
        "adjusted_p": result.adjusted_p,
        "judged": result.adjusted_p is not None,
        "fired": result.fired,
    }


def _share(counts: Counts | None) -> dict[str, Any] | None:
    return None if counts is None else {**asdict(counts), "value": counts.value}


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else asdict(interval)


def _counts(judgement: Judgement) -> dict[str, int | None]:
    examples = judgement.measurement.examples if judgement.measurement else {}
    totals = {split: examples[split].num_examples if split in examples else None for split in features.JUDGED}
    return {**totals, "rejected": (judgement.documents.ingest or {}).get("num_rejected")}


def _copies(evidence: Evidence) -> dict[str, Any] | None:
    found = evidence.copies
    if found is None:
        return None
    return {
        "repeated": found.num_repeated,
        "in_training": found.num_seen,
        "under_other_label": found.num_other_label,
        "parted": found.num_parted,
        "near": found.num_near,
        "near_expected": found.num_expected,
        "contradictory": found.num_contradictory,
        "share": found.share,
        "examples": [{"validation": ours, "train": theirs} for ours, theirs in found.examples],
    }


def _no_parts() -> dict[str, Any]:
    return {
        "classes": [],
        "confusion": {},
        "reliability": {features.EVAL: [], "expected_calibration_error": None},
        "worst": [],
        "per_class": [],
    }


def _measured_parts(measured: Measurement) -> dict[str, Any]:
    classes, counted = measured.classes, {split: measured.counted(split) for split in features.JUDGED}
    scores = counted[features.EVAL]
    bins, error = reliability(scores)
    return {
        "classes": list(classes),
        "confusion": {split: confusion(part, len(classes)) for split, part in counted.items()},
        "reliability": {features.EVAL: bins, "expected_calibration_error": error},
        "worst": _worst(measured, scores),
        "per_class": per_class(scores, classes),
    }


def _worst(measured: Measurement, scores: SplitScores) -> list[dict[str, Any]]:
    """The examples whose true class got the least probability; those without a finite one come first."""
    order = np.argsort(np.where(np.isfinite(scores.true_probability), scores.true_probability, -1.0), kind="stable")
    chosen, classes = order[:_NUM_WORST], measured.classes
    examples, rows = measured.examples[features.EVAL], measured.counting(features.EVAL)[chosen]
    return [
        {
            "uri": examples.rows[row].uri,
            "label": classes[scores.labels[position]],
            "predicted": classes[scores.predicted[position]] if scores.predicted[position] >= 0 else None,
            "probability": float(scores.true_probability[position]),
            "thumbnail": thumbnail(encoded),
        }
        for position, row, encoded in zip(chosen, rows, examples.encoded(rows), strict=True)
    ]
