"""Judges a model on two splits and names the causes of its faults."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import keras
import numpy as np

from components.backbone.kinds import KINDS
from components.backbone.modes import fingerprint
from components.copies.counting import CopyCounts, what_counts
from components.copies.search import Copies, find_copies
from components.copies.store import PictureFile
from components.diagnosis.attribution import attribute
from components.diagnosis.evidence import Measurements, SourceComparison
from components.diagnosis.head import look
from components.diagnosis.probes import Answers, examine_session, is_inference_only
from components.diagnosis.session import Session, counts
from components.diagnosis.source import SourceWeights, compare_with_source
from components.doctor.data import Split
from components.doctor.report import Report
from components.errors import DataRefused
from components.intervals import PairedCounts
from components.preprocessing import FAMILIES
from components.push_gate.evidence import Evidence, SplitMeasurement
from components.push_gate.rule import decide_on_scores
from components.push_gate.scores import favourite
from components.push_gate.settings import GateSettings

_NUM_GUESSED_ON = 256
_NUM_NAMED_COPIES = 2
_BATCH = 64


def examine(
    model: keras.Model,
    train: Split,
    validation: Split,
    batch_size: int = 32,
    family: str | None = None,
    source: SourceWeights | None = None,
) -> Report:
    """Judges a classifier by the gate's rule and names what is wrong with it; the model is left as it was.

    Args:
        model: Any Keras classifier of images: softmax, logits or a binary sigmoid.
        train: The training split; pictures are preprocessed first.
        validation: The validation split; pictures are preprocessed first.
        batch_size: The training batch size; batch statistics depend on it.
        family: How pictures are preprocessed, one of `FAMILIES`; None: as the model gets most training pictures right.
        source: The backbone that the model was made from: frozen layers are compared with it. None: they are not.

    Raises:
        DataRefused: Model and data, or model and source, do not fit each other.
    """
    started = time.monotonic()
    if keras.backend.backend() != "tensorflow":
        raise DataRefused(
            f"Keras must compute with TensorFlow for frostgate to examine a model; here it computes with "
            f"{keras.backend.backend()}. Set KERAS_BACKEND=tensorflow before Keras is imported."
        )
    fingerprint_before = fingerprint(model.variables)
    _check_fit(model, train, validation)
    num_classes = _num_classes(model, train, validation)
    head = look(model, num_classes)
    comparison = None if source is None else _compared(model, source)
    whole, copies = train.whole, copies_between(train, validation)
    session = Session(
        model,
        head,
        train,
        validation,
        num_classes,
        batch_size,
        source=comparison,
        copies=copies,
        copied_labels=whole.labels,
    )
    is_guessed = family is None and train.is_pictures
    if train.is_pictures or validation.is_pictures:
        family = family or _guess(session)
        session.train, session.validation = _scaled(train, family), _scaled(validation, family)
    measured, answers = examine_session(session)
    counting, copy_counts = what_counts(copies, validation.labels, whole.labels)
    copy_counts = replace(copy_counts, examples=tuple(_pairs(copies, validation.names, whole.names)))
    if fingerprint(model.variables) != fingerprint_before:
        raise RuntimeError("the model is not as it was before the examination; this is a fault of frostgate.")
    return Report(
        decision=decide_on_scores(
            _evidence(measured, answers, validation.labels, counting, copy_counts, train.classes), GateSettings()
        ),
        diagnosis=attribute(measured),
        measurements=measured,
        preprocessing=family if train.is_pictures else None,
        is_preprocessing_guessed=is_guessed,
        rejects=(*train.rejects, *validation.rejects),
        num_found=(train.num_found, validation.num_found),
        model_fingerprint=fingerprint_before,
        forward_passes=round(session.passes, 2),
        seconds=round(time.monotonic() - started, 1),
    )


def copies_between(train: Split, validation: Split) -> Copies:
    """Looks for the copies of every validation example, in all of training and in validation itself."""
    validation_inputs = validation.inputs
    if train.rest is not None and train.is_pictures and validation.is_pictures:
        # Where a sample of training was drawn, all training pictures are kept as small ones with rounded pixels. To be
        # found equal, validation pictures must be made small in the same way.
        small = PictureFile()
        for start in range(0, len(validation_inputs), _BATCH):
            small.append(validation_inputs[start : start + _BATCH])
        validation_inputs = small.array()
    return find_copies(train.whole.inputs, validation_inputs)


def _pairs(copies: Copies, validation_names: Sequence[str], train_names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for position in np.flatnonzero(copies.seen >= 0)[:_NUM_NAMED_COPIES]:
        yield validation_names[position], train_names[copies.seen[position]]


def _evidence(
    measured: Measurements,
    answers: Answers,
    labels: np.ndarray,
    counting: np.ndarray,
    copies: CopyCounts,
    names: tuple[str, ...] | None,
) -> Evidence:
    labels, predicted = labels[counting], answers.validation[counting]
    unseen = counts(labels, predicted)
    top, top_share = favourite(predicted, measured.num_classes)
    nonfinite = [
        f"the answer to {number} {split} examples"
        for split, predicted in (("training", answers.train), ("validation", answers.validation))
        if (number := int((predicted < 0).sum()))
    ]
    return Evidence(
        train=SplitMeasurement(measured.train, measured.train.total, None, 0, frozenset()),
        validation=SplitMeasurement(unseen, unseen.total, None, 0, frozenset()),
        copies=copies,
        modes=measured.modes,
        nonfinite=tuple(nonfinite),
        source_note=measured.source.clause if measured.source and measured.source.changed else "",
        changed_alone=measured.alone.changed if measured.alone else None,
        guessing=PairedCounts.of(predicted == labels, labels == np.bincount(labels).argmax()),
        top_share=top_share,
        top_class=None if top is None else names[top] if names else str(top),
    )


def _check_fit(model: keras.Model, train: Split, validation: Split) -> None:
    for name, split in (("training", train), ("validation", validation)):
        if len(np.unique(split.labels)) < 2:
            raise DataRefused(
                f"The {name} data must have at least two classes; all {len(split.labels)} labels are "
                f"{split.labels[0]}. Nothing can be said about a classifier on one class."
            )
        expected, received = getattr(model, "input_shape", None), split.inputs.shape
        # The shape is no tuple for a model with several inputs, or for one that declares none.
        if isinstance(expected, tuple) and not _agree(expected[1:], received[1:]):
            raise DataRefused(
                f"The model takes inputs of shape {_shape(expected[1:])}; the {name} data have "
                f"{_shape(received[1:])}. Give the data as the model was trained on them; --image-size is for models "
                "that take any size."
            )


def _agree(expected: tuple[int | None, ...], received: tuple[int, ...]) -> bool:
    # Keras accepts inputs without the last axis where its size is 1.
    if len(expected) == len(received) + 1 and expected[-1] == 1:
        expected = expected[:-1]
    same = (size in (None, received_size) for size, received_size in zip(expected, received, strict=False))
    return len(expected) == len(received) and all(same)


def _shape(sizes: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("any" if size is None else str(size) for size in sizes) + "]"


def _compared(model: keras.Model, source: SourceWeights) -> SourceComparison:
    comparison = compare_with_source(model, source)
    if 2 * comparison.num_found < comparison.num_source:
        raise DataRefused(
            f"The source backbone must be what MODEL was made from; {comparison.num_found} of its "
            f"{comparison.num_source} layers are in the model by name and shapes."
        )
    return comparison


def _num_classes(model: keras.Model, train: Split, validation: Split) -> int:
    labelled = max(int(train.labels.max()), int(validation.labels.max())) + 1
    known = max(labelled, len(train.classes or ()), 2)
    shape = getattr(model, "output_shape", None)
    units = shape[-1] if isinstance(shape, tuple) and len(shape) == 2 else None
    if units is None or (units == 1 and known == 2):
        return known
    # More outputs than classes are no fault: some classes may have no example. One output for several classes is one,
    # but the diagnosis of the head names it.
    if 1 < units < known:
        raise DataRefused(
            f"The model has {units} outputs; expected at least {known}, for the labels go up to {known - 1}. "
            "Give the data that it was trained on."
        )
    return max(units, known)


def _guess(session: Session) -> str:
    """Returns the family with which the model gets most of some training pictures right."""
    rows = np.unique(np.linspace(0, len(session.train.labels) - 1, _NUM_GUESSED_ON).astype(np.int64))
    labels, pictures = session.train.labels[rows], session.train.inputs[rows]

    def right(name: str) -> float:
        inputs = FAMILIES[name].apply(pictures)
        # Both modes are tried: a broken BatchNorm makes inference mode equally bad for every family, and a BatchNorm
        # after the first convolution makes training mode equally good for every family that only scales.
        modes = (False,) if is_inference_only(session.model) else (False, True)
        return sum(counts(labels, session.predict(inputs, training=training)).value for training in modes)

    # A network of a known kind was most likely trained with that kind's scaling, where others do as well.
    usual = next((KINDS[layer.name].family.name for layer in session.model.layers if layer.name in KINDS), None)
    family = max(FAMILIES, key=lambda name: (right(name), name == usual))
    session.num_run = 0  # Guessing does not count against the examination's budget.
    return family


def _scaled(split: Split, family: str) -> Split:
    return replace(split, inputs=FAMILIES[family].apply(split.inputs)) if split.is_pictures else split
