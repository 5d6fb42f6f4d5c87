"""Whether something is wrong at all; pure.

Gaps are judged by the gate's intervals; an accuracy by Wilson's, where G2 weights the most frequent class and the rest.
"""

from typing import Final

from components.copies.counting import MOST_COPIES
from components.diagnosis.evidence import Measurements
from components.intervals import Counts, newcombe, newcombe_paired, wilson

# Of a difference, and of an accuracy: the gate's.
CONFIDENCE: Final = 0.95
_ACCURACY_CONFIDENCE: Final = 0.975
# A gap counts when its one-sided 95 % lower bound is above these: G1's default, G3's, and where the gap may be as large
# as what G3 holds, half of it. Below, healthy models on labels of which a few are wrong were told that they overfit.
MODE_GAP: Final = 0.05
_SURE_GAP: Final = 0.10
GENERALISATION_GAP: Final = 0.05
_LARGE_GAP: Final = 0.20
CLAIM_GAP: Final = 0.05
# 5 / (1 - momentum) updates leave less than 1 %.
INITIAL_SHARE: Final = 0.1
# Of the answers: a tie within rounding may turn over by itself.
_OTHER_ANSWERS: Final = 0.01
# Over the majority class: G2's margin.
_MARGIN_OVER_CHANCE: Final = 0.05


def suffers(measured: Measurements) -> bool:
    """Whether there is anything to explain."""
    gaps = has_mode_gap(measured) or has_generalisation_gap(measured) or falls_short_of_claim(measured)
    odd = has_copies(measured) or depends_on_batch(measured) or bool(measured.source and measured.source.changed)
    return gaps or odd or not has_learnt(measured) or not validates(measured)


def depends_on_batch(measured: Measurements) -> bool:
    """Whether examples surely get other answers by themselves than beside others."""
    return measured.alone is not None and changes_surely(measured.alone.changed)


def changes_surely(changed: Counts) -> bool:
    """Whether more answers changed than rounding turns over."""
    return wilson(changed, _ACCURACY_CONFIDENCE).low > _OTHER_ANSWERS


def has_copies(measured: Measurements) -> bool:
    """Whether so many validation examples are in the training split as well that C says too much."""
    return measured.duplicates is not None and measured.duplicates.share >= MOST_COPIES


def unseen_validation(measured: Measurements) -> Counts:
    """C, without the examples that training holds as well."""
    without = measured.without_duplicates
    return measured.validation if without is None else without


def best_training(measured: Measurements) -> Counts:
    """Whichever of A and B is higher."""
    if measured.modes is None:
        return measured.train
    return max(measured.modes.first, measured.train, key=lambda counts: counts.value)


def has_mode_gap(measured: Measurements) -> bool:
    """Whether training mode surely does better than inference mode on the same examples."""
    return measured.modes is not None and newcombe_paired(measured.modes, CONFIDENCE).low > MODE_GAP


def has_unconverged_statistics(measured: Measurements) -> bool:
    """Whether too few updates were made, and inference mode does worse, be it on too few examples to be sure."""
    left, modes = measured.initial_statistics, measured.modes
    return left is not None and left > INITIAL_SHARE and modes is not None and modes.difference > MODE_GAP


def falls_short_of_claim(measured: Measurements) -> bool:
    """Whether the model surely does worse on its training examples, in either mode, than its trainer saw."""
    claimed = measured.claimed
    return claimed is not None and newcombe(claimed, best_training(measured), CONFIDENCE).low > CLAIM_GAP


def has_generalisation_gap(measured: Measurements) -> bool:
    """Whether unseen validation examples surely do worse than training, or do worse and perhaps by far."""
    gap = newcombe(best_training(measured), unseen_validation(measured), CONFIDENCE)
    return gap.low > _SURE_GAP or (gap.low > GENERALISATION_GAP and gap.high > _LARGE_GAP)


def validates(measured: Measurements) -> bool:
    """Whether accuracy on unseen validation examples is surely above always guessing the most frequent class."""
    return is_above_chance(unseen_validation(measured), measured.majority_validation)


def has_learnt(measured: Measurements) -> bool:
    """Whether training accuracy is surely above always guessing the most frequent class, by G2's margin."""
    return is_above_chance(best_training(measured), measured.majority_train)


def lost_accuracy(measured: Measurements) -> float:
    """Best training accuracy less validation accuracy."""
    return best_training(measured).value - measured.validation.value


def is_above_chance(counts: Counts, majority: float) -> bool:
    """Whether an accuracy is surely above the share of the most frequent class, by G2's margin."""
    # Two even classes guessed by a coin must not pass.
    return wilson(counts, _ACCURACY_CONFIDENCE).low > over_majority(majority, _MARGIN_OVER_CHANCE)


def over_majority(majority: float, margin: float) -> float:
    """The share of the most frequent class and a margin; half the way to 1 where the margin would leave no room."""
    return majority + min(margin, (1 - majority) / 2)
