"""From a model and two splits to a verdict with its causes."""

import time
from dataclasses import replace

import keras
import numpy as np

from components.backbone.modes import fingerprint
from components.diagnosis.attribution import attribute
from components.diagnosis.batch_norm import batch_norm_layers
from components.diagnosis.evidence import Measurements
from components.diagnosis.head import look
from components.doctor.data import Split
from components.doctor.preprocessing import Family, guess, preprocess
from components.doctor.probes import Answers, run_probes
from components.doctor.report import Report
from components.doctor.session import Session, counts
from components.errors import DataRefused
from components.push_gate.evidence import Evidence, SplitMeasurement
from components.push_gate.rule import decide_on_scores
from components.push_gate.scores import favourite, paired
from components.push_gate.settings import GateSettings

_GUESS_ON = 256


def examine(
    model: keras.Model, train: Split, validation: Split, batch_size: int = 32, family: Family | None = None
) -> Report:
    """Judges a classifier by the gate's rule and names what is wrong with it; the model is left as it was.

    Args:
        model: Any Keras classifier of images: softmax, logits or a binary sigmoid.
        train: What it was trained on; pictures are preprocessed first.
        validation: What it was not trained on.
        batch_size: The training batch size; batch statistics depend on it.
        family: How pictures are preprocessed; None: as the model gets most training pictures right.

    Raises:
        DataRefused: Model and data do not fit each other.
    """
    started = time.monotonic()
    before = fingerprint(model.variables)
    num_classes = _num_classes(model, train, validation)
    head = look(model, num_classes)
    session = Session(model, head, train, validation, num_classes, batch_size)
    if train.is_pictures or validation.is_pictures:
        family = family or _guess(session)
        session.train, session.validation = _scaled(train, family), _scaled(validation, family)
    measured, answers = _measure(session)
    measured = run_probes(session, answers, measured)
    if fingerprint(model.variables) != before:
        raise RuntimeError("the model is not as it was before the examination; this is a fault of frostgate.")
    return Report(
        decision=decide_on_scores(_evidence(measured, session, answers), GateSettings()),
        diagnosis=attribute(measured),
        measurements=measured,
        preprocessing=family if train.is_pictures else None,
        rejects=(*train.rejects, *validation.rejects),
        num_found=(train.num_found, validation.num_found),
        model_fingerprint=before,
        forward_passes=round(session.passes, 2),
        seconds=round(time.monotonic() - started, 1),
    )


def _measure(session: Session) -> tuple[Measurements, Answers]:
    train, validation = session.train, session.validation
    seen, unseen = session.run(train.inputs), session.run(validation.inputs)
    answers = Answers(session.classes_of(seen), session.classes_of(unseen), seen.embeddings, unseen.embeddings)
    measured = Measurements(
        num_classes=session.num_classes,
        train=counts(train.labels, answers.train),
        validation=counts(validation.labels, answers.validation),
        majority_train=_majority(train.labels),
        majority_validation=_majority(validation.labels),
        head=session.head,
    )
    if _is_inference_only(session.model):
        why = "the model has inference mode only; give the .keras file to have BatchNorm examined"
        return replace(measured, unexamined={"modes": why}), answers
    in_training_mode = session.predict(train.inputs, training=True)
    modes = paired(in_training_mode == train.labels, answers.train == train.labels)
    return replace(measured, modes=modes, has_batch_norm=bool(batch_norm_layers(session.model))), answers


def _evidence(measured: Measurements, session: Session, answers: Answers) -> Evidence:
    top, top_share = favourite(answers.validation, session.num_classes)
    names = session.train.classes
    nonfinite = [
        f"the answer to {number} {split} examples"
        for split, predicted in (("training", answers.train), ("validation", answers.validation))
        if (number := int((predicted < 0).sum()))
    ]
    return Evidence(
        train=SplitMeasurement(measured.train, measured.train.total, None, 0, frozenset()),
        validation=SplitMeasurement(measured.validation, measured.validation.total, None, 0, frozenset()),
        modes=measured.modes,
        nonfinite=tuple(nonfinite),
        majority_share=measured.majority_validation,
        top_share=top_share,
        top_class=None if top is None else names[top] if names else str(top),
    )


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


def _guess(session: Session) -> Family:
    rows = np.unique(np.linspace(0, len(session.train.labels) - 1, _GUESS_ON).astype(np.int64))
    labels, pictures = session.train.labels[rows], session.train.inputs[rows]

    def right(inputs: np.ndarray) -> float:
        # Training mode too: where BatchNorm is broken, inference mode is as bad for every family.
        modes = (False,) if _is_inference_only(session.model) else (False, True)
        return max(counts(labels, session.predict(inputs, training=training)).value for training in modes)

    family = guess(pictures, right)
    session.num_run = 0  # The budget is that of the examination.
    return family


def _scaled(split: Split, family: Family) -> Split:
    return replace(split, inputs=preprocess(split.inputs, family)) if split.is_pictures else split


def _is_inference_only(model: keras.Model) -> bool:
    return any(isinstance(layer, keras.layers.TFSMLayer) for layer in model._flatten_layers())


def _majority(labels: np.ndarray) -> float:
    return float(np.bincount(labels).max() / len(labels))
