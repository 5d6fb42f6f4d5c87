"""G1 to G5: whether the model is good enough, from counts and their intervals; pure."""

from dataclasses import asdict, dataclass
from typing import Any

from components.diagnosis.symptoms import over_majority
from components.intervals import (
    Counts,
    Interval,
    PairedCounts,
    below_p_value,
    bootstrap_paired_difference,
    holm,
    newcombe,
    newcombe_exact,
    newcombe_exact_p_value,
    newcombe_paired,
    stratified,
    wilson,
)
from components.push_gate.evidence import Champion, Check, Evidence, SliceEvidence, percent
from components.push_gate.settings import GateSettings
from schemas import features

# One-sided confidences of the bounds that decide; docs/gate.md says why they differ.
GAP_CONFIDENCE = 0.95
ACCURACY_CONFIDENCE = 0.975

HOLD = "HOLD"
LABEL_ORDER = "label order"
FLOOR = "accuracy floor"
# G4: below half, no order of the classes explains what the champion answers.
_REORDERED_IS_RIGHT = 0.5
_NUM_RENAMED = 5

# G5: a class may be predicted this much more often than the majority class occurs.
_TOP_SHARE_OVER_MAJORITY = 0.3


@dataclass(frozen=True)
class SliceResult:
    """G3 for one slice; `adjusted_p` is None where the slice is too small to judge."""

    evidence: SliceEvidence
    training: Counts | None
    """What it is compared with: its own training examples, or those of all slices where it has no scored one."""
    interval: Interval | None
    adjusted_p: float | None
    fired: bool


def mode_gap(evidence: Evidence, settings: GateSettings) -> Check:
    """G1: does training mode do better than inference mode on the same examples?"""
    threshold, training = settings.max_mode_gap, evidence.training_mode
    if training is None or evidence.train is None:
        return Check("G1", "mode gap", False, "A - B", "training mode could not be examined.", threshold=threshold)
    inference = evidence.train.counts
    interval = (
        newcombe_paired(evidence.modes, GAP_CONFIDENCE)
        if isinstance(evidence.modes, PairedCounts)
        else newcombe(training, inference, GAP_CONFIDENCE)
    )
    fired = interval.low > threshold
    cause = "; BatchNorm serves other statistics than it trained with" if fired else ""
    detail = (
        f"{percent(training.value)} of training images are right in training mode {'but' if fired else 'and'} "
        f"{percent(inference.value)} in inference mode{cause}."
    )
    return Check("G1", "mode gap", fired, "A - B", detail, training.value - inference.value, interval, threshold)


def chance(evidence: Evidence, settings: GateSettings) -> Check:
    """G2: is validation accuracy surely no better than always guessing the most frequent class?"""
    if evidence.guessing is None:
        return Check("G2", "chance", False, "C", "validation accuracy is not known.")
    counts, majority = evidence.guessing.first, evidence.guessing.second.value
    threshold = over_majority(majority, settings.min_margin_over_chance)
    interval = stratified(_by_majority(evidence.guessing), ACCURACY_CONFIDENCE)
    detail = (
        f"{_right(counts)} (between {percent(interval.low)} and {percent(interval.high)}), and always guessing the "
        f"most frequent class gets {percent(majority)}; more than {percent(threshold)} is required."
    )
    return Check("G2", "chance", interval.high < threshold, "C", detail, counts.value, interval, threshold)


def _by_majority(guessing: PairedCounts) -> list[Counts]:
    """What is right of the most frequent class, and of the others where there are any.

    The classes of these very examples are known: how frequent the class is leaves nothing to estimate.
    """
    groups = ((guessing.both, guessing.only_second), (guessing.only_first, guessing.neither))
    return [Counts(right, right + wrong) for right, wrong in groups if right + wrong]


def generalisation(evidence: Evidence, settings: GateSettings) -> Check:
    """G3: does the model do worse on validation than on training examples?"""
    threshold, training = settings.max_generalisation_gap, evidence.best_training
    if training is None or evidence.validation is None:
        return Check("G3", "generalisation", False, "max(A, B) - C", "the gap is not known.", threshold=threshold)
    counts = evidence.validation.counts
    interval = newcombe(training, counts, GAP_CONFIDENCE)
    gap = training.value - counts.value
    detail = (
        f"{percent(training.value)} of training images are right and {percent(counts.value)} of {counts.total} "
        f"validation images, a gap between {percent(interval.low)} and {percent(interval.high)}; "
        f"{percent(threshold)} is accepted."
    )
    return Check("G3", "generalisation", interval.low > threshold, "max(A, B) - C", detail, gap, interval, threshold)


def judge_slices(evidence: Evidence, settings: GateSettings) -> tuple[SliceResult, ...]:
    """G3 by slice, with Holm's adjustment over the slices that are large enough, in the order given."""
    threshold = settings.max_generalisation_gap
    compared = [(part, part.training or evidence.best_training) for part in evidence.slices]
    p_values = {
        part.name: newcombe_exact_p_value(training, part.validation, threshold)
        for part, training in compared
        if training and part.validation.total >= settings.min_slice_examples
    }
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return tuple(_slice_result(part, training, adjusted.get(part.name)) for part, training in compared)


def slice_generalisation(results: tuple[SliceResult, ...], settings: GateSettings) -> Check:
    """G3 over all slices as one check; its value is the smallest adjusted p-value."""
    judged = [result for result in results if result.adjusted_p is not None]
    fired = [result for result in judged if result.fired]
    detail = "; ".join(map(_slice_clause, fired)) if fired else f"none of {len(judged)} slices is surely worse"
    return Check(
        "G3",
        "generalisation by slice",
        bool(fired),
        "smallest adjusted p",
        f"{detail}; {percent(settings.max_generalisation_gap)} is accepted.",
        min((result.adjusted_p for result in judged if result.adjusted_p is not None), default=None),
        threshold=1 - GAP_CONFIDENCE,
    )


def dead_classes(evidence: Evidence, settings: GateSettings) -> Check:
    """HOLD: is a class surely hardly ever right, in training and in validation alike?

    Such a model has no gap, and the others may be right often enough for the whole.
    """
    threshold, prefix = settings.hold_class_accuracy, f"{features.LABEL}="
    classes = [part for part in evidence.slices if part.name.startswith(prefix)]
    adjusted = holm([below_p_value(part.validation, threshold) for part in classes])
    dead = [part for part, p in zip(classes, adjusted, strict=True) if p < 1 - GAP_CONFIDENCE]
    named = ", ".join(
        f"{part.name.removeprefix(prefix)} ({part.validation.correct} of {part.validation.total})"
        for part in dead[:_NUM_RENAMED]
    )
    more = ", ..." if len(dead) > _NUM_RENAMED else ""
    detail = (
        f"{len(dead)} of {len(classes)} classes are surely right less often than {percent(threshold)} of the time: "
        f"{named}{more}."
        if dead
        else f"no class is surely right less often than {percent(threshold)} of the time."
    )
    smallest = min(adjusted, default=None)
    return Check(
        HOLD, "dead classes", bool(dead), "smallest adjusted p", detail, smallest, threshold=1 - GAP_CONFIDENCE
    )


def baseline(evidence: Evidence, settings: GateSettings) -> Check:
    """G4: is the model surely worse than the champion?"""
    if evidence.champion is None:
        detail, threshold = f"{evidence.champion_note or 'there is no champion'}.", settings.max_drop_against_champion
        return Check("G4", "baseline", False, "champion - candidate", detail, threshold=threshold)
    return _drop("baseline", "champion", evidence.champion, settings)


def ancestor(evidence: Evidence, settings: GateSettings) -> Check:
    """G4: is the model surely worse than the best champion there was?

    Many steps down may each be accepted by themselves.
    """
    if evidence.ancestor is None:
        detail, threshold = "no earlier champion was better than this one.", settings.max_drop_against_champion
        return Check("G4", "best ancestor", False, "ancestor - candidate", detail, threshold=threshold)
    return _drop("best ancestor", "ancestor", evidence.ancestor, settings)


def _drop(name: str, what: str, earlier: Champion, settings: GateSettings) -> Check:
    pairs, threshold = earlier.pairs, settings.max_drop_against_champion
    interval = bootstrap_paired_difference(pairs, GAP_CONFIDENCE, settings.bootstrap_samples)
    who = "the champion" if what == "champion" else "an earlier champion"
    detail = (
        f"{who} (version {earlier.version}) gets {percent(pairs.first.value)} of the same validation images right and "
        f"this model {percent(pairs.second.value)}, a drop of at least {percent(interval.low)}; {percent(threshold)} "
        "is accepted."
    )
    fired = interval.low > threshold
    return Check("G4", name, fired, f"{what} - candidate", detail, pairs.difference, interval, threshold)


def floor(evidence: Evidence, settings: GateSettings) -> Check:
    """G4: is the model surely below the absolute floor?

    With a champion too, or a hundred small steps down would each be accepted.
    """
    threshold = settings.min_first_accuracy
    if evidence.validation is None:
        return Check("G4", FLOOR, False, "C", "validation accuracy is not known.", threshold=threshold)
    counts = evidence.validation.counts
    interval = wilson(counts, ACCURACY_CONFIDENCE)
    detail = (
        f"{_right(counts)} (between {percent(interval.low)} and {percent(interval.high)}), and every model must reach "
        f"{percent(threshold)}, whatever there was before."
    )
    return Check("G4", FLOOR, interval.high < threshold, "C", detail, counts.value, interval, threshold)


def label_order(evidence: Evidence, settings: GateSettings) -> Check:
    """G4: are the labels in another order than those that the champion learnt?

    A model that was trained and validated on renamed classes is as good as any by its own measure.
    """
    threshold, champion = settings.max_reordering_gain, evidence.champion
    if champion is None or champion.reordered is None:
        detail = "there is no champion to know another order of the classes."
        return Check("G4", LABEL_ORDER, False, "reordered - champion", detail, threshold=threshold)
    as_they_are, reordered = champion.pairs.first, champion.reordered
    interval = newcombe(reordered, as_they_are, GAP_CONFIDENCE)
    # A champion that no order makes right has met other pictures, not other names.
    fired = interval.low > threshold and wilson(reordered, ACCURACY_CONFIDENCE).low > _REORDERED_IS_RIGHT
    gained = reordered.value - as_they_are.value
    detail = (
        f"the champion (version {champion.version}) gets {percent(as_they_are.value)} of these images right, and would "
        f"get {percent(reordered.value)} in another order of the classes"
    )
    detail += f" ({_renamed(champion.order)}); look at how these images were labelled." if fired else "."
    return Check("G4", LABEL_ORDER, fired, "reordered - champion", detail, gained, interval, threshold)


def _renamed(order: tuple[tuple[str, str], ...]) -> str:
    shown = ", ".join(f"{learnt!r} is called {given!r}" for learnt, given in order[:_NUM_RENAMED])
    return shown + (", ..." if len(order) > _NUM_RENAMED else "")


def degenerate(evidence: Evidence, settings: GateSettings) -> Check:
    """G5: is nearly everything predicted to be one class, and is that surely more than there is of any class?"""
    if evidence.top_share is None or evidence.guessing is None:
        return Check("G5", "degenerate", False, "top share", "the predictions are not known.")
    share, majority, total = evidence.top_share, evidence.guessing.second.value, evidence.guessing.total
    # A constant predictor is degenerate whatever the majority is.
    threshold = min(1.0, max(settings.max_top_share, majority + _TOP_SHARE_OVER_MAJORITY))
    interval = wilson(Counts(round(share * total), total), ACCURACY_CONFIDENCE)
    # Of three images all may be predicted to be one class by luck.
    fired = share >= threshold and interval.low > over_majority(majority, _TOP_SHARE_OVER_MAJORITY)
    detail = (
        f"{percent(share)} of {total} validation images are predicted to be {evidence.top_class!r} (at least "
        f"{percent(interval.low)}), and {percent(majority)} are of the most frequent class."
    )
    return Check("G5", "degenerate", fired, "top share", detail, share, interval, threshold)


def accuracy(counts: Counts | None) -> dict[str, Any] | None:
    """Counts as the verdict has them, with share and interval; None for what was not measured."""
    if counts is None:
        return None
    return {**asdict(counts), "value": counts.value, "interval": asdict(wilson(counts, ACCURACY_CONFIDENCE))}


def _slice_result(part: SliceEvidence, training: Counts | None, adjusted_p: float | None) -> SliceResult:
    interval = newcombe_exact(training, part.validation, GAP_CONFIDENCE) if training else None
    return SliceResult(part, training, interval, adjusted_p, adjusted_p is not None and adjusted_p < 1 - GAP_CONFIDENCE)


def _slice_clause(result: SliceResult) -> str:
    training, validation = result.training, result.evidence.validation
    assert training is not None, "only what can be compared is judged"
    if result.evidence.training is None:
        return (
            f"of slice {result.evidence.name}, which has no scored training image, {percent(validation.value)} of "
            f"{validation.total} validation images are right, and {percent(training.value)} of all training images"
        )
    return (
        f"of slice {result.evidence.name}, {percent(training.value)} of training images are right and "
        f"{percent(validation.value)} of {validation.total} validation images"
    )


def _right(counts: Counts) -> str:
    return f"{percent(counts.value)} of {counts.total} validation images are right"
