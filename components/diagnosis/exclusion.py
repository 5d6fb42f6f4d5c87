"""Causes that are named only when the causes before them do not explain the numbers; pure."""

from collections.abc import Callable
from typing import Final

from components.diagnosis.answers import Answer, Cause, Confidence, RuledOut, Unexamined
from components.diagnosis.evidence import Measurements
from components.diagnosis.symptoms import (
    CONFIDENCE,
    GENERALISATION_GAP,
    best_training,
    has_generalisation_gap,
    has_learnt,
    unseen_validation,
    validates,
)
from components.diagnosis.wording import named, percent, top_share, why_not
from components.intervals import newcombe

_DOMAIN_AUC: Final = 0.75
_TOP_SHARE: Final = 0.9
# A collapsed model answers one class for nearly everything. It may answer other classes for at most as many examples as
# this share of those that are not of the most frequent class.
_OTHERS_PREDICTED: Final = 0.25


def _domain(measured: Measurements, causes: list[Cause]) -> Answer:
    if measured.domain is None:
        return Unexamined("distribution_shift", why_not(measured, "domain"))
    auc = measured.domain
    text = f"a linear classifier tells the splits apart with an AUC of {auc.auc:.2f} (at least {auc.interval.low:.2f})"
    if auc.interval.low <= _DOMAIN_AUC:
        return RuledOut("distribution_shift", text)
    if not has_generalisation_gap(measured):
        return RuledOut("distribution_shift", f"{text}, and yet validation is not surely worse than training")
    explanations = {"preprocessing_skew", "class_imbalance"} & {cause.id for cause in causes}
    if explanations:
        return RuledOut("distribution_shift", f"{text}, which {explanations.pop()} explains")
    return named("distribution_shift", "moderate" if causes else "strong", (text,), None)


def _collapse(measured: Measurements, causes: list[Cause]) -> Answer:
    shift = measured.label_shift
    if shift is None:
        return Unexamined("class_collapse", why_not(measured, "label_shift"))
    threshold = max(_TOP_SHARE, 1 - _OTHERS_PREDICTED * (1 - measured.majority_validation))
    if shift.top_share < threshold:
        return RuledOut("class_collapse", top_share(shift.top_share))
    if any(cause.confidence == "strong" for cause in causes):
        return RuledOut("class_collapse", f"{top_share(shift.top_share)}, which follows from {causes[0].id}")
    text = f"the most frequent class has {measured.majority_train:.1%} of the training examples"
    # Without a class in the majority, something other than the class frequencies made the model answer one class.
    confidence: Confidence = "strong" if measured.majority_train > 0.5 else "moderate"
    return named("class_collapse", confidence, (top_share(shift.top_share), text), None)


def _not_learnt(measured: Measurements, causes: list[Cause]) -> Answer:
    text = f"{percent(best_training(measured))} of training examples are right"
    if has_learnt(measured):
        return RuledOut("not_learnt", text)
    if causes:
        return RuledOut("not_learnt", f"{text}, which follows from {causes[0].id}")
    clause = f"{text}, not surely more than always guessing one class by the margin that the gate asks for"
    return named("not_learnt", "moderate", (clause,), None)


def _overfitting(measured: Measurements, causes: list[Cause]) -> Answer:
    gap = newcombe(best_training(measured), unseen_validation(measured), CONFIDENCE)
    text = f"validation is between {gap.low:.3f} and {gap.high:.3f} below training"
    if gap.low <= GENERALISATION_GAP:
        return RuledOut("overfitting", text)
    if causes:
        return RuledOut("overfitting", f"{text}, which {causes[0].id} explains")
    evidence = [text, "no other cause was found"]
    if not validates(measured):
        evidence.append("validation is no better than guessing, as where labels do not belong to their pictures")
    examined = None not in (measured.domain, measured.relabelling, measured.input_shift)
    confidence: Confidence = "strong" if examined and validates(measured) else "moderate"
    return named("overfitting", confidence, tuple(evidence), None)


RULES: Final[tuple[Callable[[Measurements, list[Cause]], Answer], ...]] = (
    _domain,
    _collapse,
    _not_learnt,
    _overfitting,
)
"""The rules in the order in which they are applied; each receives the causes that were named before it."""
