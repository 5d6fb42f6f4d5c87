"""From a model and two splits to a verdict with its causes."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import keras
import numpy as np

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

_GUESS_ON = 256
_NUM_NAMED = 2
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
        train: What it was trained on; pictures are preprocessed first.
        validation: What it was not trained on.
        batch_size: The training batch size; batch statistics depend on it.
        family: How pictures are preprocessed, one of `FAMILIES`; None: as the model gets most training pictures right.
        source: The backbone that the model was made from, to see whether what is frozen is as it was.

    Raises:
        DataRefused: Model and data, or model and source, do not fit each other.
    """
    started = time.monotonic()
    before = fingerprint(model.variables)
    _check_fit(model, train, validation)
    num_classes = _num_classes(model, train, validation)
    head = look(model, num_classes)
    compared = None if source is None else _compared(model, source)
    whole, copies = train.whole, copies_between(train, validation)
    session = Session(
        model,
        head,
        train,
        validation,
        num_classes,
        batch_size,
        source=compared,
        copies=copies,
        copied_labels=whole.labels,
    )
    guessed = family is None and train.is_pictures
    if train.is_pictures or validation.is_pictures:
        family = family or _guess(session)
        session.train, session.validation = _scaled(train, family), _scaled(validation, family)
    measured, answers = examine_session(session)
    counting, found = what_counts(copies, validation.labels, whole.labels)
    found = replace(found, examples=tuple(_pairs(copies, validation.names, whole.names)))
    if fingerprint(model.variables) != before:
        raise RuntimeError("the model is not as it was before the examination; this is a fault of frostgate.")
    return Report(
        decision=decide_on_scores(
            _evidence(measured, answers, validation.labels, counting, found, train.classes), GateSettings()
        ),
        diagnosis=attribute(measured),
        measurements=measured,
        preprocessing=family if train.is_pictures else None,
        is_preprocessing_guessed=guessed,
        rejects=(*train.rejects, *validation.rejects),
        num_found=(train.num_found, validation.num_found),
        model_fingerprint=before,
        forward_passes=round(session.passes, 2),
        seconds=round(time.monotonic() - started, 1),
    )


def copies_between(train: Split, validation: Split) -> Copies:
    """Looks for the copies of every validation example, in all of training and in validation itself."""
    ours = validation.inputs
    if train.rest is not None and train.is_pictures and validation.is_pictures:
        # Of more pictures than are drawn a small one of each was kept, rounded: equal are only two of one form.
        kept = PictureFile()
        for start in range(0, len(ours), _BATCH):
            kept.append(ours[start : start + _BATCH])
        ours = kept.array()
    return find_copies(train.whole.inputs, ours)


def _pairs(copies: Copies, ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[str, str]]:
    for position in np.flatnonzero(copies.seen >= 0)[:_NUM_NAMED]:
        yield ours[position], theirs[copies.seen[position]]


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
        taken, given = getattr(model, "input_shape", None), split.inputs.shape
        # Other than a tuple: a model with several inputs, or one that says nothing.
        if isinstance(taken, tuple) and not _agree(taken[1:], given[1:]):
            raise DataRefused(
                f"The model takes inputs of shape {_shape(taken[1:])}; the {name} data have {_shape(given[1:])}. Give "
                "the data as the model was trained on them; --image-size is for models that take any size."
            )


def _agree(taken: tuple[int | None, ...], given: tuple[int, ...]) -> bool:
    # Keras lets a last axis of 1 be left out.
    if len(taken) == len(given) + 1 and taken[-1] == 1:
        taken = taken[:-1]
    same = (ours in (None, theirs) for ours, theirs in zip(taken, given, strict=False))
    return len(taken) == len(given) and all(same)


def _shape(sizes: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("any" if size is None else str(size) for size in sizes) + "]"


def _compared(model: keras.Model, source: SourceWeights) -> SourceComparison:
    found = compare_with_source(model, source)
    if 2 * found.num_found < found.num_source:
        raise DataRefused(
            f"The source backbone must be what MODEL was made from; {found.num_found} of its {found.num_source} layers "
            "are in the model by name and shapes."
        )
    return found


def _num_classes(model: keras.Model, train: Split, validation: Split) -> int:
    labelled = max(int(train.labels.max()), int(validation.labels.max())) + 1
    known = max(labelled, len(train.classes or ()), 2)
    shape = getattr(model, "output_shape", None)
    units = shape[-1] if isinstance(shape, tuple) and len(shape) == 2 else None
    if units is None or (units == 1 and known == 2):
        return known
    # A binary softmax pair on two labels, or classes that no example has.
    if 1 < units < known:
        raise DataRefused(
            f"The model has {units} outputs; expected at least {known}, for the labels go up to {known - 1}. "
            "Give the data that it was trained on."
        )
    return max(units, known)


def _guess(session: Session) -> str:
    rows = np.unique(np.linspace(0, len(session.train.labels) - 1, _GUESS_ON).astype(np.int64))
    labels, pictures = session.train.labels[rows], session.train.inputs[rows]

    def right(name: str) -> float:
        inputs = FAMILIES[name].apply(pictures)
        # Both modes: where BatchNorm is broken, inference mode is as bad for every family, and where it follows the
        # first convolution, training mode is as good for each that only scales.
        modes = (False,) if is_inference_only(session.model) else (False, True)
        return sum(counts(labels, session.predict(inputs, training=training)).value for training in modes)

    family = max(FAMILIES, key=right)
    session.num_run = 0  # The budget is that of the examination.
    return family


def _scaled(split: Split, family: str) -> Split:
    return replace(split, inputs=FAMILIES[family].apply(split.inputs)) if split.is_pictures else split
