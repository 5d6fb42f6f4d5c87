"""From measurements to causes: what made validation collapse, and what did not; pure.

A rule a cause, asked from the top down. A cause is strong when undoing it on the model in hand gives the lost accuracy
back, or when nothing else could make the numbers; otherwise it is moderate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from components.diagnosis.advice import FIXES, TITLES
from components.diagnosis.evidence import LayerDistance, Measurements
from components.intervals import Counts, newcombe, newcombe_paired, wilson

Confidence = Literal["strong", "moderate"]

# A gap counts when its one-sided 95 % lower bound is above these: G1's and half of G3's default.
MODE_GAP: Final = 0.05
GENERALISATION_GAP: Final = 0.05
# What undoing a cause must give back, at least, for the cause to be named: in accuracy, and of what was lost.
RESTORED: Final = 0.05
_NAMED_SHARE: Final = 0.25
# And to be strong evidence.
_STRONG_SHARE: Final = 0.5
# Over the majority class: G2's margin.
MARGIN_OVER_CHANCE: Final = 0.05
_CONFIDENCE: Final = 0.95
_ACCURACY_CONFIDENCE: Final = 0.975
_LABELS_DIFFER: Final = 0.2
_LABELS_P_VALUE: Final = 0.001
_TOP_SHARE: Final = 0.9
_TOP_SHARE_OVER_MAJORITY: Final = 0.3
_DUPLICATES: Final = 0.05
_DOMAIN_AUC: Final = 0.75


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong."""

    id: str
    title: str
    confidence: Confidence
    evidence: tuple[str, ...]
    """One clause each, with its numbers."""
    explains: float | None
    """Share of the lost accuracy that undoing it gave back, 0..1; None where it cannot be undone on the model."""
    fix: str


@dataclass(frozen=True)
class RuledOut:
    """One thing that is not wrong, and the number that says so."""

    id: str
    by: str


@dataclass(frozen=True)
class Unexamined:
    """One thing that could not be examined, and why."""

    id: str
    why: str


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a model; no causes where nothing is to be seen."""

    causes: tuple[Cause, ...]
    """Strongest first."""
    ruled_out: tuple[RuledOut, ...]
    unexamined: tuple[Unexamined, ...]

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        if not self.causes:
            missing = ", ".join(one.id for one in self.unexamined)
            return f"No cause was found; not examined: {missing}." if missing else "No cause was found."
        first, *others = self.causes
        also = f" Also: {'; '.join(cause.title for cause in others)}." if others else ""
        return f"{first.title[0].upper()}{first.title[1:]}: {first.evidence[0]}.{also}"


Answer = Cause | RuledOut | Unexamined


def attribute(measured: Measurements) -> Diagnosis:
    """Names what made the model fail, in order of confidence.

    Args:
        measured: Whatever is known; what is None counts as unexamined, never as clean.
    """
    if not _suffers(measured):
        return Diagnosis((), (), ())
    answers: list[Answer] = [rule(measured) for rule in _RULES]
    for rule in _BY_EXCLUSION:
        answers.append(rule(measured, [answer for answer in answers if isinstance(answer, Cause)]))
    causes = [answer for answer in answers if isinstance(answer, Cause)]
    return Diagnosis(
        tuple(sorted(causes, key=lambda cause: (cause.confidence != "strong", -(cause.explains or 0)))),
        tuple(answer for answer in answers if isinstance(answer, RuledOut)),
        tuple(answer for answer in answers if isinstance(answer, Unexamined)),
    )


def best_training(measured: Measurements) -> Counts:
    """Whichever of A and B is higher."""
    if measured.modes is None:
        return measured.train
    return max(measured.modes.first, measured.train, key=lambda counts: counts.value)


def has_mode_gap(measured: Measurements) -> bool:
    """Whether training mode surely does better than inference mode on the same examples."""
    return measured.modes is not None and newcombe_paired(measured.modes, _CONFIDENCE).low > MODE_GAP


def has_generalisation_gap(measured: Measurements) -> bool:
    """Whether validation surely does worse than training."""
    return newcombe(best_training(measured), measured.validation, _CONFIDENCE).low > GENERALISATION_GAP


def has_learnt(measured: Measurements) -> bool:
    """Whether training accuracy is surely above always guessing the most frequent class."""
    return _above_chance(best_training(measured), measured.majority_train)


def _suffers(measured: Measurements) -> bool:
    validates = _above_chance(measured.validation, measured.majority_validation)
    return has_mode_gap(measured) or has_generalisation_gap(measured) or not has_learnt(measured) or not validates


def _head(measured: Measurements) -> Answer:
    head = measured.head
    if head is None:
        return Unexamined("loss_head_mismatch", "the model's layers cannot be read")
    if not head.problems:
        loss = head.loss or "unknown"
        return RuledOut("loss_head_mismatch", f"a {head.kind} head of {head.units} units fits its loss ({loss})")
    training = f"{_percent(best_training(measured))} of training examples are right"
    # A mismatched pair may still learn something, and then another cause weighs more.
    confidence: Confidence = "moderate" if has_learnt(measured) else "strong"
    return _cause("loss_head_mismatch", confidence, (*head.problems, training), None)


def _batch_norm(measured: Measurements) -> Answer:
    if measured.has_batch_norm is False:
        return RuledOut("batch_norm", "there is no BatchNorm layer")
    if measured.modes is None:
        return Unexamined("batch_norm", _why(measured, "modes", "the model has no training mode to compare with"))
    gap = newcombe_paired(measured.modes, _CONFIDENCE)
    if gap.low <= MODE_GAP:
        return RuledOut("batch_norm", f"training mode is at most {gap.high:.3f} better than inference mode")
    evidence = [
        f"{_percent(measured.modes.first)} of training examples are right in training mode and "
        f"{_percent(measured.modes.second)} in inference mode"
    ]
    if measured.layers:
        evidence.append(_furthest(measured.layers))
    restored = measured.reestimated_train
    explains = None
    if restored is not None:
        explains = _share(restored.difference, measured.modes.difference)
        evidence.append(f"with re-estimated statistics {_percent(restored.first)} are right in inference mode")
    name = "batch_norm_mode" if _mostly_frozen(measured.layers or ()) else "statistics_not_converged"
    return _cause(name, _confidence(explains), tuple(evidence), explains)


def _label_order(measured: Measurements) -> Answer:
    found, lost = measured.relabelling, _lost(measured)
    if found is None:
        return Unexamined("label_order", _why(measured, "relabelling", "not measured"))
    gained = newcombe(found.counts, measured.validation, _CONFIDENCE)
    explains = _share(found.counts.value - measured.validation.value, lost)
    # Where the classes are distributed otherwise, another order gains a little by that alone.
    if gained.low <= RESTORED or (explains or 0) < _NAMED_SHARE:
        return RuledOut("label_order", f"no other order of the classes does better by more than {gained.high:.3f}")
    text = f"{_percent(found.counts)} of validation examples are right after the best relabelling"
    return _cause("label_order", _confidence(explains), (text,), explains)


def _preprocessing(measured: Measurements) -> Answer:
    shift = measured.input_shift
    if shift is None or measured.converted is None:
        return Unexamined("preprocessing_skew", _why(measured, "input_shift", "not measured"))
    apart = f"the splits' channel means are {shift.standardised_difference:.2f} standard deviations apart"
    if not measured.converted:
        return RuledOut("preprocessing_skew", apart)
    best = max(measured.converted, key=lambda one: (one.counts.value, one.is_named))
    gained = newcombe(best.counts, measured.validation, _CONFIDENCE)
    explains = _share(best.counts.value - measured.validation.value, _lost(measured))
    if gained.low <= RESTORED or (explains or 0) < _NAMED_SHARE:
        return RuledOut("preprocessing_skew", f"{apart}, and no conversion does better by more than {gained.high:.3f}")
    text = f"{_percent(best.counts)} of validation examples are right after this conversion of them: {best.name}"
    confidence: Confidence = _confidence(explains) if best.is_named else "moderate"
    return _cause("preprocessing_skew", confidence, (text, apart), explains)


def _duplicates(measured: Measurements) -> Answer:
    found = measured.duplicates
    if found is None:
        return Unexamined("duplicates", _why(measured, "duplicates", "not measured"))
    text = f"{found.share:.1%} of validation examples are in the training split as well"
    if found.share < _DUPLICATES:
        return RuledOut("duplicates", text)
    without = measured.without_duplicates
    if without is None or not without.total:
        return _cause("duplicates", "moderate", (text,), None)
    rescored = f"{_percent(without)} of the others are right"
    # Copies hide how bad the rest is, so they are strong evidence when the rest is surely worse.
    strong = newcombe(measured.validation, without, _CONFIDENCE).low > 0
    return _cause("duplicates", "strong" if strong else "moderate", (text, rescored), None)


def _imbalance(measured: Measurements) -> Answer:
    shift = measured.label_shift
    if shift is None:
        return Unexamined("class_imbalance", _why(measured, "label_shift", "not measured"))
    text = f"the splits' class shares differ by {shift.total_variation:.2f} (total variation)"
    if not _labels_differ(measured):
        return RuledOut("class_imbalance", text)
    return _cause("class_imbalance", "strong", (text, _top(shift.top_share)), None)


def _domain(measured: Measurements, causes: list[Cause]) -> Answer:
    if measured.domain is None:
        return Unexamined("distribution_shift", _why(measured, "domain", "not measured"))
    auc = measured.domain
    text = f"a linear classifier tells the splits apart with an AUC of {auc.auc:.2f} (at least {auc.interval.low:.2f})"
    if auc.interval.low <= _DOMAIN_AUC:
        return RuledOut("distribution_shift", text)
    by_other_cause = {"preprocessing_skew", "class_imbalance"} & {cause.id for cause in causes}
    if by_other_cause:
        return RuledOut("distribution_shift", f"{text}, which {by_other_cause.pop()} explains")
    return _cause("distribution_shift", "moderate" if causes else "strong", (text,), None)


def _collapse(measured: Measurements, causes: list[Cause]) -> Answer:
    shift = measured.label_shift
    if shift is None:
        return Unexamined("class_collapse", _why(measured, "label_shift", "not measured"))
    threshold = min(1.0, max(_TOP_SHARE, measured.majority_validation + _TOP_SHARE_OVER_MAJORITY))
    if shift.top_share < threshold:
        return RuledOut("class_collapse", _top(shift.top_share))
    if any(cause.confidence == "strong" for cause in causes):
        return RuledOut("class_collapse", f"{_top(shift.top_share)}, which follows from {causes[0].id}")
    text = f"the most frequent class has {measured.majority_train:.1%} of the training examples"
    return _cause(
        "class_collapse", "strong" if measured.majority_train > 0.5 else "moderate", (_top(shift.top_share), text), None
    )


def _not_learnt(measured: Measurements, causes: list[Cause]) -> Answer:
    text = f"{_percent(best_training(measured))} of training examples are right"
    if has_learnt(measured):
        return RuledOut("not_learnt", text)
    if causes:
        return RuledOut("not_learnt", f"{text}, which follows from {causes[0].id}")
    return _cause("not_learnt", "moderate", (f"{text}, no more than always guessing one class",), None)


def _overfitting(measured: Measurements, causes: list[Cause]) -> Answer:
    gap = newcombe(best_training(measured), measured.validation, _CONFIDENCE)
    text = f"validation is between {gap.low:.3f} and {gap.high:.3f} below training"
    if gap.low <= GENERALISATION_GAP:
        return RuledOut("overfitting", text)
    if causes:
        return RuledOut("overfitting", f"{text}, which {causes[0].id} explains")
    examined = None not in (measured.domain, measured.relabelling, measured.input_shift)
    return _cause("overfitting", "strong" if examined else "moderate", (text, "no other cause was found"), None)


_RULES: Final[tuple[Callable[[Measurements], Answer], ...]] = (
    _head,
    _batch_norm,
    _preprocessing,
    _label_order,
    _imbalance,
    _duplicates,
)
_BY_EXCLUSION: Final[tuple[Callable[[Measurements, list[Cause]], Answer], ...]] = (
    _domain,
    _collapse,
    _not_learnt,
    _overfitting,
)


def _cause(name: str, confidence: Confidence, evidence: tuple[str, ...], explains: float | None) -> Cause:
    return Cause(name, TITLES[name], confidence, evidence, explains, FIXES[name])


def _why(measured: Measurements, probe: str, otherwise: str) -> str:
    return (measured.unexamined or {}).get(probe, otherwise)


def _lost(measured: Measurements) -> float:
    return best_training(measured).value - measured.validation.value


def _share(given_back: float, lost: float) -> float | None:
    return min(1.0, max(0.0, given_back / lost)) if lost > 0 else None


def _confidence(explains: float | None) -> Confidence:
    return "strong" if explains is not None and explains >= _STRONG_SHARE else "moderate"


def _above_chance(counts: Counts, majority: float) -> bool:
    # Two even classes guessed by a coin must not pass, nor must a majority of .97 make passing impossible.
    margin = min(MARGIN_OVER_CHANCE, (1 - majority) / 2)
    return wilson(counts, _ACCURACY_CONFIDENCE).low > majority + margin


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


def _top(share: float) -> str:
    return f"{share:.1%} of validation examples are predicted to be one class"


def _percent(counts: Counts) -> str:
    return f"{counts.value:.1%}"
