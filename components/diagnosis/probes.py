"""Examining a model: three scores always, then the probes that they call for, in the order of their cost."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import keras
import numpy as np
import tensorflow as tf

from components.copies.counting import what_counts
from components.copies.search import find_copies
from components.diagnosis.batch_norm import batch_norm_layers, batch_statistics_forced, initial_statistics, reestimated
from components.diagnosis.conversions import candidates, from_family
from components.diagnosis.domain import domain_auc
from components.diagnosis.evidence import Alone, Converted, Duplicates, Measurements
from components.diagnosis.input_statistics import input_statistics
from components.diagnosis.label_shift import label_shift
from components.diagnosis.relabelling import best_relabelling
from components.diagnosis.session import Session, counts
from components.diagnosis.symptoms import (
    best_training,
    falls_short_of_claim,
    has_generalisation_gap,
    has_learnt,
    has_mode_gap,
    has_unconverged_statistics,
    unseen_validation,
    validates,
)
from components.errors import DataRefused
from components.intervals import Counts, PairedCounts

# Enough for an interval of 3 points either way, and of 6.
_SAMPLE: Final = 1_024
_FEW: Final = 256
# One at a time costs more than its share of a pass.
_SINGLE: Final = 64


@dataclass(frozen=True)
class Answers:
    """What the model said of both splits in inference mode."""

    train: np.ndarray
    """int64 [n train], predicted classes."""
    validation: np.ndarray
    train_embeddings: np.ndarray | None
    """float32 [n train, d], or None where the model has none to give."""
    validation_embeddings: np.ndarray | None


@dataclass(frozen=True)
class Probe:
    """One question and when to ask it."""

    name: str
    wanted: Callable[[Measurements], bool]
    run: Callable[[Session, Answers, Measurements], Measurements]


def examine_session(session: Session) -> tuple[Measurements, Answers]:
    """Measures a model; a probe that cannot answer or cannot be paid is named as unexamined, not fatal.

    Args:
        session: Model, splits and budget; the model is left as it was.

    Returns:
        What is known, and what the model answered in inference mode.
    """
    measured, answers = _scores(session)
    for probe in PROBES:
        if not probe.wanted(measured):
            continue
        try:
            measured = probe.run(session, answers, measured)
        except _NotExamined as reason:
            measured = replace(measured, unexamined={**(measured.unexamined or {}), probe.name: str(reason)})
    return measured, answers


def is_inference_only(model: keras.Model) -> bool:
    """Whether the model is a SavedModel's graph, which has no training mode."""
    return any(isinstance(layer, keras.layers.TFSMLayer) for layer in model._flatten_layers())


def _scores(session: Session) -> tuple[Measurements, Answers]:
    train, validation = session.train, session.validation
    seen, unseen = session.run(train.inputs), session.run(validation.inputs)
    answers = Answers(session.classes_of(seen), session.classes_of(unseen), seen.embeddings, unseen.embeddings)
    measured = Measurements(
        num_classes=session.num_classes,
        train=counts(train.labels, answers.train),
        validation=counts(validation.labels, answers.validation),
        majority_train=_majority(train.labels),
        majority_validation=_majority(validation.labels),
        claimed=session.claimed,
        head=session.head,
        source=session.source,
    )
    if is_inference_only(session.model):
        why = "the model has inference mode only; give the .keras file to have BatchNorm examined"
        return replace(measured, unexamined={"modes": why}), answers
    in_training_mode = session.predict(train.inputs, training=True)
    modes = PairedCounts.of(in_training_mode == train.labels, answers.train == train.labels)
    updates = session.num_updates
    return replace(
        measured,
        modes=modes,
        has_batch_norm=bool(batch_norm_layers(session.model)),
        num_updates=updates,
        initial_statistics=None if updates is None else initial_statistics(session.model, updates),
    ), answers


def _majority(labels: np.ndarray) -> float:
    return float(np.bincount(labels).max() / len(labels))


class _NotExamined(Exception):
    """A probe that cannot answer, and why."""


def _validation_fails(measured: Measurements) -> bool:
    above = best_training(measured).value - unseen_validation(measured).value
    fails = has_generalisation_gap(measured) or not has_learnt(measured) or not validates(measured)
    return fails or above > 0.2


def _batch_norm_fails(measured: Measurements) -> bool:
    return bool(measured.has_batch_norm) and (has_mode_gap(measured) or has_unconverged_statistics(measured))


def _alone(session: Session, answers: Answers, measured: Measurements) -> Measurements:
    rows = _sample(len(answers.validation), _SINGLE)
    inputs, labels, before = session.validation.inputs[rows], session.validation.labels[rows], answers.validation[rows]
    try:
        alone = session.predict(inputs, batch_size=1)
        once, again = session.predict(inputs), session.predict(inputs)
    except (DataRefused, ValueError, tf.errors.InvalidArgumentError) as error:
        raise _NotExamined("the model does not take examples one by one") from error
    found = Alone(
        changed=Counts(int((alone != before).sum()), len(rows)),
        again=Counts(int((once != again).sum()), len(rows)),
        right=PairedCounts.of(before == labels, alone == labels),
    )
    return replace(measured, alone=found)


def _labels(session: Session, answers: Answers, measured: Measurements) -> Measurements:
    train, validation = session.train.labels, session.validation.labels
    return replace(
        measured,
        label_shift=label_shift(train, validation, answers.validation, session.num_classes),
        relabelling=best_relabelling(validation, answers.validation, session.num_classes),
    )


def _inputs(session: Session, answers: Answers, measured: Measurements) -> Measurements:
    train, validation = session.train.inputs, session.validation.inputs
    shift = input_statistics(train, validation)
    rows = _sample(len(validation))
    tried = []
    for conversion in candidates(shift):
        _pay(session, len(rows))
        predicted = session.predict(conversion.apply(validation[rows]))
        right = counts(session.validation.labels[rows], predicted)
        tried.append(Converted(conversion.name, right, conversion.is_named))
    return replace(measured, input_shift=shift, converted=tuple(tried))


def _reconverted(session: Session, answers: Answers, measured: Measurements) -> Measurements:
    if session.family is None:
        raise _NotExamined("how the inputs were preprocessed is not known")
    rows = _sample(len(session.train.labels))[:_FEW]
    tried = []
    for conversion in from_family(session.family):
        _pay(session, len(rows))
        predicted = session.predict(conversion.apply(session.train.inputs[rows]))
        tried.append(Converted(conversion.name, counts(session.train.labels[rows], predicted), is_named=True))
    return replace(measured, reconverted=tuple(tried))


def _duplicates(session: Session, answers: Answers, measured: Measurements) -> Measurements:
    train, labels = session.train, session.validation.labels
    copies = session.copies or find_copies(train.inputs, session.validation.inputs)
    training_labels = train.labels if session.copied_labels is None else session.copied_labels
    counting, summary = what_counts(copies, labels, training_labels)
    pairs = tuple((int(position), int(copies.seen[position])) for position in np.flatnonzero(copies.seen >= 0))
    found = Duplicates(pairs, len(labels), summary)
    right = counts(labels[counting], answers.validation[counting]) if len(counting) < len(labels) else None
    majority = _majority(labels[counting])
    return replace(measured, duplicates=found, without_duplicates=right, majority_validation=majority)


def _domain(session: Session, answers: Answers, measured: Measurements) -> Measurements:
    if answers.train_embeddings is None or answers.validation_embeddings is None:
        raise _NotExamined("the model has no layer whose inputs could serve as embeddings")
    found = domain_auc(answers.train_embeddings, answers.validation_embeddings)
    if found is None:
        raise _NotExamined("there are too few examples")
    return replace(measured, domain=found)


def _batch_norm(session: Session, answers: Answers, measured: Measurements) -> Measurements:
    train, validation = session.train, session.validation
    rows, others = _sample(len(train.labels)), _sample(len(validation.labels))
    seen_labels, labels = train.labels[rows], validation.labels[others]
    _pay(session, 2 * len(rows) + 2 * len(others))
    with reestimated(session.model, train.inputs[rows], session.batch_size, seed=session.seed) as layers:
        session.num_run += len(rows)
        again, unseen = session.predict(train.inputs[rows]), session.predict(validation.inputs[others])
    with batch_statistics_forced(session.model):
        forced = session.predict(validation.inputs[others], training=True)
    return replace(
        measured,
        layers=tuple(layers),
        reestimated_train=PairedCounts.of(again == seen_labels, answers.train[rows] == seen_labels),
        reestimated_validation=PairedCounts.of(unseen == labels, answers.validation[others] == labels),
        forced_validation=counts(labels, forced),
    )


def _pay(session: Session, num_examples: int) -> None:
    if not session.can_run(num_examples):
        raise _NotExamined("the budget of forward passes was spent")


def _sample(total: int, most: int = _SAMPLE) -> np.ndarray:
    """At most so many positions, spread evenly."""
    return np.unique(np.linspace(0, total - 1, min(total, most)).astype(np.int64))


PROBES: Final = (
    # First and always: copies hide that validation fails, and to look for them costs the model nothing.
    Probe("duplicates", lambda _: True, _duplicates),
    # Always too: where serving normalises with the batch, both modes and both splits look well in large batches.
    Probe("alone", lambda _: True, _alone),
    Probe("reconverted", falls_short_of_claim, _reconverted),
    Probe("label_shift", _validation_fails, _labels),
    Probe("batch_norm", _batch_norm_fails, _batch_norm),
    Probe("input_shift", _validation_fails, _inputs),
    Probe("domain", _validation_fails, _domain),
)
