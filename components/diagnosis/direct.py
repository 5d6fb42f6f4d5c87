"""Causes that show in numbers of their own, whatever else is wrong; pure."""

from collections.abc import Callable
from typing import Final

from components.diagnosis.answers import Answer, Confidence, RuledOut, Unexamined
from components.diagnosis.evidence import Duplicates, LayerDistance, Measurements
from components.diagnosis.symptoms import (
    CONFIDENCE,
    MODE_GAP,
    best_training,
    depends_on_batch,
    falls_short_of_claim,
    has_copies,
    has_learnt,
    has_unconverged_statistics,
    lost_accuracy,
)
from components.diagnosis.wording import confidence_in, named, percent, share_given_back, top_share, why_not
from components.intervals import newcombe, newcombe_paired

# What undoing a cause must give back, at least, for the cause to be named: in accuracy, and of what was lost.
_RESTORED: Final = 0.05
_NAMED_SHARE: Final = 0.25
# Another order gives nearly everything back or is no cause: pictures of another domain are mistaken with some system.
_REORDERED_SHARE: Final = 0.5
# A pair that does no harm learns its training examples.
_LEARNT_WELL: Final = 0.9
_LABELS_DIFFER: Final = 0.2
_LABELS_P_VALUE: Final = 0.001


def _head(measured: Measurements) -> Answer:
    head = measured.head
    if head is None:
        return Unexamined("loss_head_mismatch", "the model's layers cannot be read")
    if not head.problems and head.loss is None:
        return Unexamined("loss_head_mismatch", "the model does not say what loss it was trained with")
    if not head.problems:
        return RuledOut("loss_head_mismatch", f"a {head.kind} head of {head.units} units fits its loss ({head.loss})")
    training = f"{percent(best_training(measured))} of training examples are right"
    # Some odd pairs are harmless: Keras computes cross-entropy from the logits behind a final softmax or sigmoid.
    if best_training(measured).value >= _LEARNT_WELL:
        return RuledOut("loss_head_mismatch", f"{head.problems[0]}, and yet {training}")
    confidence: Confidence = "moderate" if has_learnt(measured) else "strong"
    return named("loss_head_mismatch", confidence, (*head.problems, training), None)


def _batch_norm(measured: Measurements) -> Answer:
    if measured.has_batch_norm is False:
        return RuledOut("batch_norm", "there is no BatchNorm layer")
    if measured.modes is None:
        return Unexamined("batch_norm", why_not(measured, "modes", "the model has no training mode to compare with"))
    gap = newcombe_paired(measured.modes, CONFIDENCE)
    if gap.low <= MODE_GAP and not has_unconverged_statistics(measured):
        return RuledOut("batch_norm", f"training mode is at most {gap.high:.3f} better than inference mode")
    evidence = [
        f"{percent(measured.modes.first)} of training examples are right in training mode and "
        f"{percent(measured.modes.second)} in inference mode"
    ]
    if has_unconverged_statistics(measured):
        left = f"{measured.initial_statistics:.0%} of the statistics that training started with"
        evidence.append(f"{measured.num_updates} updates leave {left}")
    if measured.layers:
        evidence.append(_furthest(measured.layers))
    restored = measured.reestimated_train
    explains = None
    if restored is not None:
        explains = share_given_back(restored.difference, measured.modes.difference)
        evidence.append(f"with re-estimated statistics {percent(restored.first)} are right in inference mode")
    name = "batch_norm_mode" if _mostly_frozen(measured.layers or ()) else "statistics_not_converged"
    return named(name, confidence_in(explains), tuple(evidence), explains)


def _batch_dependence(measured: Measurements) -> Answer:
    found = measured.alone
    if found is None:
        return Unexamined("batch_dependence", why_not(measured, "alone"))
    text = f"{found.changed.correct} of {found.changed.total} validation examples get another answer by themselves"
    if not depends_on_batch(measured):
        return RuledOut("batch_dependence", text)
    rescored = f"{percent(found.right.first)} are right in batches, and {percent(found.right.second)} one by one"
    evidence = [text, rescored]
    if found.again.correct:
        evidence.append(f"{found.again.correct} get another answer when the same batch is asked about twice")
    return named("batch_dependence", "strong", tuple(evidence), None)


def _frozen_weights(measured: Measurements) -> Answer | None:
    found = measured.source
    if found is None:
        return None
    if not found.changed:
        return RuledOut("frozen_weights_changed", found.clause)
    evidence = [
        f"{found.clause}, {found.changed[0]} for instance",
        f"{len(found.weights)} have other weights, {len(found.statistics)} other moving statistics",
    ]
    return named("frozen_weights_changed", "strong", tuple(evidence), None)


def _label_order(measured: Measurements) -> Answer:
    found, lost = measured.relabelling, lost_accuracy(measured)
    if found is None:
        return Unexamined("label_order", why_not(measured, "relabelling"))
    gained = newcombe(found.counts, measured.validation, CONFIDENCE)
    explains = share_given_back(found.counts.value - measured.validation.value, lost)
    # Where the classes are distributed otherwise, another order gains a little by that alone.
    if gained.low <= _RESTORED or (explains or 0) < _REORDERED_SHARE:
        return RuledOut("label_order", f"no other order of the classes does better by more than {gained.high:.3f}")
    if not has_learnt(measured):
        return RuledOut("label_order", "training examples, in the order the model knows, are not right either")
    text = f"{percent(found.counts)} of validation examples are right after the best relabelling"
    return named("label_order", confidence_in(explains), (text,), explains)


def _serving(measured: Measurements) -> Answer:
    claimed, found = measured.claimed, measured.train
    if claimed is None:
        return Unexamined("training_serving_skew", "no history says what accuracy the trainer saw")
    text = f"the trainer saw {percent(claimed)} of training examples right, and the export gets "
    text += f"{percent(best_training(measured))} of them in its better mode"
    if not falls_short_of_claim(measured):
        return RuledOut("training_serving_skew", text)
    if not measured.reconverted:
        return named("training_serving_skew", "moderate", (text,), None)
    best = max(measured.reconverted, key=lambda one: one.counts.value)
    explains = share_given_back(best.counts.value - found.value, claimed.value - found.value)
    if newcombe(best.counts, best_training(measured), CONFIDENCE).low <= _RESTORED or (explains or 0) < _NAMED_SHARE:
        return named("training_serving_skew", "moderate", (text,), None)
    converted = f"{percent(best.counts)} are right after this conversion of what serving feeds it: {best.name}"
    return named("training_serving_skew", confidence_in(explains), (text, converted), explains)


def _preprocessing(measured: Measurements) -> Answer:
    shift = measured.input_shift
    if shift is None or measured.converted is None:
        return Unexamined("preprocessing_skew", why_not(measured, "input_shift"))
    apart = f"the splits' channel means are {shift.standardised_difference:.2f} standard deviations apart"
    if not measured.converted:
        return RuledOut("preprocessing_skew", apart)
    best = max(measured.converted, key=lambda one: (one.counts.value, one.is_named))
    gained = newcombe(best.counts, measured.validation, CONFIDENCE)
    explains = share_given_back(best.counts.value - measured.validation.value, lost_accuracy(measured))
    if gained.low <= _RESTORED or (explains or 0) < _NAMED_SHARE:
        return RuledOut("preprocessing_skew", f"{apart}, and no conversion does better by more than {gained.high:.3f}")
    text = f"{percent(best.counts)} of validation examples are right after this conversion of them: {best.name}"
    confidence: Confidence = confidence_in(explains) if best.is_named else "moderate"
    return named("preprocessing_skew", confidence, (text, apart), explains)


def _duplicates(measured: Measurements) -> Answer:
    found = measured.duplicates
    if found is None:
        return Unexamined("duplicates", why_not(measured, "duplicates"))
    text = _copied(found)
    if not has_copies(measured):
        return RuledOut("duplicates", text)
    without = measured.without_duplicates
    if without is None or found.share == 1:
        return named("duplicates", "moderate", (text,), None)
    rescored = f"{percent(without)} of the others are right"
    # Copies hide how bad the rest is, so they are strong evidence when the rest is surely worse.
    strong = newcombe(measured.validation, without, CONFIDENCE).low > 0
    return named("duplicates", "strong" if strong else "moderate", (text, rescored), None)


def _copied(found: Duplicates) -> str:
    if found.counts is None:
        return f"{found.share:.1%} of validation examples are in the training split as well"
    counts = found.counts
    seen = counts.num_seen / counts.num_distinct
    text = f"{seen:.1%} of validation examples of distinct content are in the training split as well"
    if counts.num_near:
        text += f" ({counts.num_near / counts.num_distinct:.1%} flipped, turned, moved or from the same film)"
    return text + (f", and {counts.num_contradictory} have several labels" if counts.num_contradictory else "")


def _imbalance(measured: Measurements) -> Answer:
    shift = measured.label_shift
    if shift is None:
        return Unexamined("class_imbalance", why_not(measured, "label_shift"))
    text = f"the splits' class shares differ by {shift.total_variation:.2f} (total variation)"
    if not _labels_differ(measured):
        return RuledOut("class_imbalance", text)
    return named("class_imbalance", "strong", (text, top_share(shift.top_share)), None)


def _labels_differ(measured: Measurements) -> bool:
    shift = measured.label_shift
    return shift is not None and shift.total_variation > _LABELS_DIFFER and shift.p_value < _LABELS_P_VALUE


def _mostly_frozen(layers: tuple[LayerDistance, ...]) -> bool:
    frozen = sum(_distance(layer) for layer in layers if not layer.trainable)
    return frozen > sum(_distance(layer) for layer in layers if layer.trainable)


def _furthest(layers: tuple[LayerDistance, ...]) -> str:
    layer = max(layers, key=_distance)
    state = "trainable" if layer.trainable else "frozen"
    return (
        f"moving statistics are furthest from those of the data in {layer.name} ({state}): means by "
        f"{layer.mean_distance:.2f} standard deviations, log variances by {layer.log_variance_ratio:.2f}"
    )


def _distance(layer: LayerDistance) -> float:
    return layer.mean_distance + layer.log_variance_ratio


RULES: Final[tuple[Callable[[Measurements], Answer | None], ...]] = (
    _head,
    _frozen_weights,
    _batch_norm,
    _batch_dependence,
    _serving,
    _preprocessing,
    _label_order,
    _imbalance,
    _duplicates,
)
"""In the order in which they are asked; None: the question was not put."""
