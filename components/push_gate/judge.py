"""Gathers the evidence from a run's artifacts and has the rule decide on it."""

import errno
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import tensorflow as tf

from components.artifacts import ANCESTOR_FOLDER
from components.evaluation.results import read_metrics, read_slice_features
from components.intervals import Counts, PairedCounts
from components.push_gate.causes import Explanation, explain
from components.push_gate.evidence import DataDecision, Evidence, FreezeProof, SplitMeasurement
from components.push_gate.exported import (
    FREEZE_PROOF_FILE,
    HISTORY_FILE,
    SERVING_FOLDER,
    read_facts,
    read_json,
)
from components.push_gate.fingerprint import directory_fingerprint, weights_fingerprint
from components.push_gate.measure import Measurement, compare_with_champion, measure, slice_evidence
from components.push_gate.rule import Decision, decide
from components.push_gate.scores import favourite
from components.push_gate.settings import GateSettings
from components.push_gate.tfma_evidence import Metrics, nonfinite_metrics, split_evaluation
from components.push_gate.useless import would_pass
from schemas import features


@dataclass(frozen=True)
class Uris:
    """Where the run's artifacts are."""

    model: str
    splits: Mapping[str, str]
    """Split -> folder of its examples."""
    evaluations: Mapping[str, str]
    """Split -> ModelEvaluation."""
    ingest_report: str
    data_decision: str
    baseline: str


@dataclass(frozen=True)
class Documents:
    """JSON files of other nodes; None where there is none."""

    freeze_proof: dict[str, Any] | None
    history: dict[str, Any] | None
    ingest: dict[str, Any] | None
    data_decision: dict[str, Any] | None


@dataclass(frozen=True)
class Judgement:
    """The decision and everything it was made from."""

    decision: Decision
    evidence: Evidence
    documents: Documents
    measurement: Measurement | None
    """None when it broke off."""
    tfma: Mapping[str, Metrics] = field(default_factory=dict)
    model_fingerprint: str | None = None
    weights_fingerprint: str | None = None
    claimed: Counts | None = None
    """Training accuracy that the trainer saw; None without a usable history."""
    explanation: Explanation | None = None
    """None for a model that passed."""
    export_fingerprint: str | None = None
    """Of the whole Model artifact, before anything was measured; None where it could not be read."""


def judge(uris: Uris, settings: GateSettings) -> Judgement:
    """Measures the model and decides, and looks for the causes of a refusal.

    A measurement that breaks off is a reason to block, never an exception.

    Raises:
        MemoryError, ResourceExhaustedError, OSError: Memory or disk was too small; that says nothing about the model.
    """
    documents = _read_documents(uris)
    evidence = Evidence(
        data_decision=_data_decision(documents.data_decision), freeze_proof=_freeze_proof(documents.freeze_proof)
    )
    measurement: Measurement | None = None
    metrics: dict[str, Metrics] = {}
    fingerprint: str | None = None
    weights: str | None = None
    export: str | None = None
    try:
        saved_model = f"{uris.model}/{SERVING_FOLDER}"
        fingerprint, weights = directory_fingerprint(saved_model), weights_fingerprint(saved_model)
        export = directory_fingerprint(uris.model)
        metrics = {split: read_metrics(uri) for split, uri in uris.evaluations.items()}
        slice_features = (features.LABEL, *_further_features(uris))
        measurement = measure(uris.model, uris.splits, slice_features, settings)
        evidence = _measured_evidence(evidence, measurement, metrics, documents)
        evidence = _compared(evidence, uris.baseline, measurement)
    except Exception as error:
        if _is_the_machines(error):
            raise
        evidence = replace(evidence, failure=f"the measurement broke off: {type(error).__name__}: {_one_line(error)}")
    decision = _with_warning(decide(evidence, settings), would_pass(evidence, settings))
    claimed = _historic_training_mode(documents.history, documents.ingest)
    explanation = None if decision.outcome == "PASS" else _explain(uris, measurement, decision, claimed, documents)
    return Judgement(
        decision, evidence, documents, measurement, metrics, fingerprint, weights, claimed, explanation, export
    )


def _with_warning(decision: Decision, useless: Sequence[str]) -> Decision:
    """Says with every decision of a rule that hardly anything fails what it is worth."""
    if not useless:
        return decision
    models = " and one that ".join(useless)
    warning = f"With these thresholds a model that {models} would pass, too."
    return replace(decision, sentence=f"{decision.sentence} {warning}")


def _read_documents(uris: Uris) -> Documents:
    return Documents(
        freeze_proof=read_facts(uris.model, FREEZE_PROOF_FILE),
        history=read_facts(uris.model, HISTORY_FILE),
        ingest=read_json(f"{uris.ingest_report}/report.json"),
        data_decision=read_json(f"{uris.data_decision}/decision.json"),
    )


def _data_decision(document: Mapping[str, Any] | None) -> DataDecision | None:
    if document is None or not isinstance(document.get("passed"), bool):
        return None
    return DataDecision(document["passed"], tuple(map(str, document.get("reasons", ()))))


def _freeze_proof(document: Mapping[str, Any] | None) -> FreezeProof | None:
    """A proof that lacks a part is no proof."""
    if document is None or not isinstance(document.get("passed"), bool):
        return None
    try:
        return FreezeProof(
            passed=document["passed"],
            findings=tuple(map(str, document["findings"])),
            expected_trainable_weights=int(document["expected_trainable_weights"]),
            trainable_weights=int(document["trainable_weights"]),
            frozen_before=str(document["frozen_before"]),
            frozen_after=str(document["frozen_after"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _further_features(uris: Uris) -> Iterator[str]:
    sliced = {key: None for uri in uris.evaluations.values() for key in read_slice_features(uri)}
    return (key for key in sliced if key != features.LABEL)


def _measured_evidence(
    evidence: Evidence, measured: Measurement, metrics: Mapping[str, Metrics], documents: Documents
) -> Evidence:
    validation = measured.counted(features.EVAL)
    top, top_share = favourite(validation.predicted, len(measured.classes))
    majority, _ = favourite(validation.labels, len(measured.classes))
    evaluations = {split: split_evaluation(part) for split, part in metrics.items()}
    return replace(
        evidence,
        train=_split_measurement(features.TRAIN, measured, documents.ingest),
        validation=_split_measurement(features.EVAL, measured, documents.ingest),
        modes=measured.modes or _historic_training_mode(documents.history, documents.ingest),
        tfma={split: found for split, found in evaluations.items() if found is not None},
        nonfinite=tuple(_nonfinite(measured, metrics)),
        parity=measured.parity,
        copies=measured.copies.counts,
        num_compared=len(measured.copies.training_labels),
        num_written=_num_written(documents.ingest),
        guessing=PairedCounts.of(validation.right, validation.labels == majority),
        top_share=top_share,
        top_class=None if top is None else measured.classes[top],
        slices=slice_evidence(measured),
    )


def _split_measurement(split: str, measured: Measurement, ingest: Mapping[str, Any] | None) -> SplitMeasurement:
    scores, examples = measured.scores[split], measured.examples[split]
    return SplitMeasurement(
        counts=measured.counted(split).counts,
        num_examples=examples.num_examples,
        num_ingested=None if ingest is None else ingest.get("by_split", {}).get(split),
        num_undecided=int(scores.undecided.sum()),
        slices=frozenset(name for row in examples.rows for name in row.slices),
        all_counts=scores.counts,
    )


def _num_written(ingest: Mapping[str, Any] | None) -> int | None:
    """How many images training saw, by ingest's count; None where it does not say."""
    by_split = (ingest or {}).get("by_split", {})
    counts = [by_split.get(split) for split in (features.TRAIN, features.STOP)]
    return None if None in counts else sum(counts)


def _historic_training_mode(history: Mapping[str, Any] | None, ingest: Mapping[str, Any] | None) -> Counts | None:
    """A as the trainer saw it in the best epoch of the last phase; None without a usable history."""
    if history is None or ingest is None:
        return None
    try:
        phase = history["phases"][-1]
        accuracy = phase["epochs"][phase["best_epoch"]]["accuracy"]
        total = ingest["by_split"][features.TRAIN]
        return Counts(round(accuracy * total), total)
    except (LookupError, TypeError, ValueError):
        return None


def _nonfinite(measured: Measurement, metrics: Mapping[str, Metrics]) -> Iterator[str]:
    for split, scores in measured.scores.items():
        if number := int((scores.predicted < 0).sum()):
            yield f"the served answer to {number} of {len(scores.labels)} {split} images"
        elif not math.isfinite(scores.loss):
            yield f"the loss on {split}"
    if measured.training_mode is not None and (measured.training_mode < 0).any():
        yield "the training-mode output"
    for split, part in metrics.items():
        yield from nonfinite_metrics(split, part)


def _compared(evidence: Evidence, baseline_uri: str, measured: Measurement) -> Evidence:
    """Adds the comparisons with the champion and with the best of those before it."""
    document = read_json(f"{baseline_uri}/baseline.json")
    if document is None:
        raise ValueError(f"expected {baseline_uri}/baseline.json to say whether there is a champion; received none.")
    if (version := document.get("version")) is not None:
        champion, note = compare_with_champion(str(version), baseline_uri, measured)
        evidence = replace(evidence, champion=champion, champion_note=note)
    if (version := document.get("ancestor")) is not None:
        # One that knows other classes cannot be compared, and is no reason to hold.
        ancestor, _ = compare_with_champion(str(version), f"{baseline_uri}/{ANCESTOR_FOLDER}", measured)
        evidence = replace(evidence, ancestor=ancestor)
    return evidence


def _is_the_machines(error: Exception) -> bool:
    """Whether the node should fail, so that the next run measures again."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, MemoryError | tf.errors.ResourceExhaustedError)


def _explain(
    uris: Uris, measurement: Measurement | None, decision: Decision, claimed: Counts | None, documents: Documents
) -> Explanation:
    updates = (documents.history or {}).get("num_updates")
    known = updates if isinstance(updates, int) else None
    return explain(uris.model, measurement, decision.checks, claimed, known)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
