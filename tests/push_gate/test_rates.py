"""How often the rule blocks, holds and passes, by seeded simulation; the rates that docs/gate.md promises."""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from components.diagnosis.relabelling import best_relabelling
from components.intervals import Counts, PairedCounts
from components.push_gate.evidence import Champion, Evidence, SplitEvaluation
from components.push_gate.evidence import SplitMeasurement as Measured
from components.push_gate.quality import label_order
from components.push_gate.rule import decide
from components.push_gate.settings import GateSettings

NUM_TRAIN, TRAIN_ACCURACY, NUM_DRAWS = 2_000, 0.98, 4_000

# Ten even classes, no champion, and no hold for few examples: the gap alone decides.
SETTINGS = GateSettings(min_eval_examples=1)


def rates(
    healthy: Evidence, num_validation: int, gap: float, train_accuracy: float = TRAIN_ACCURACY
) -> dict[str, float]:
    """Shares of BLOCK, HOLD and PASS over draws of both splits at a true gap."""

    @cache
    def outcome(train: int, validation: int) -> str:
        counts = {"train": Counts(train, NUM_TRAIN), "eval": Counts(validation, num_validation)}
        measured = {name: Measured(part, part.total, part.total, 0, frozenset()) for name, part in counts.items()}
        evidence = replace(
            healthy,
            train=measured["train"],
            validation=measured["eval"],
            modes=PairedCounts(train, 0, 0, NUM_TRAIN - train),
            tfma={name: SplitEvaluation(part.value, part.total, frozenset()) for name, part in counts.items()},
            majority_share=0.1,
            top_share=0.1,
            slices=(),
        )
        return decide(evidence, SETTINGS).outcome

    random = np.random.default_rng(20)
    train = random.binomial(NUM_TRAIN, train_accuracy, NUM_DRAWS)
    validation = random.binomial(num_validation, train_accuracy - gap, NUM_DRAWS)
    outcomes = Counter(outcome(int(a), int(c)) for a, c in zip(train, validation, strict=True))
    return {name: outcomes[name] / NUM_DRAWS for name in ("BLOCK", "HOLD", "PASS")}


@pytest.mark.parametrize("num_validation", [200, 500])
def test_a_true_gap_of_three_points_is_not_blocked(healthy: Evidence, num_validation: int) -> None:
    assert rates(healthy, num_validation, 0.03)["BLOCK"] <= 0.005


@pytest.mark.parametrize(
    ("num_validation", "gap", "share", "tolerance"),
    [
        (100, 0.15, 0.32, 0.04),
        (200, 0.15, 0.34, 0.04),
        (500, 0.15, 0.068, 0.02),
        (1000, 0.15, 0.004, 0.004),
        (50, 0.20, 0.033, 0.02),
        (200, 0.20, 0.013, 0.008),
        (500, 0.20, 0.0, 0.001),
    ],
)
def test_a_real_gap_passes_as_rarely_as_promised(
    healthy: Evidence, num_validation: int, gap: float, share: float, tolerance: float
) -> None:
    assert rates(healthy, num_validation, gap)["PASS"] == pytest.approx(share, abs=tolerance)


@pytest.mark.parametrize("num_validation", [50, 200, 1000])
def test_a_model_at_chance_never_passes(healthy: Evidence, num_validation: int) -> None:
    assert rates(healthy, num_validation, gap=0.88)["PASS"] == 0.0
    assert rates(healthy, num_validation, gap=0.0, train_accuracy=0.10)["BLOCK"] == 1.0


def champion_that_answers(answers: np.ndarray, labels: np.ndarray, num_classes: int) -> Champion:
    right = answers == labels
    found = best_relabelling(labels, answers, num_classes)
    return Champion("1", PairedCounts.of(right, np.ones_like(right)), found.counts)


@pytest.mark.parametrize("num_classes", [2, 5, 20])
@pytest.mark.parametrize("accuracy", [0.05, 0.3, 0.6, 0.95])
def test_a_champion_whose_answers_are_worse_is_not_taken_for_other_labels(
    healthy: Evidence, num_classes: int, accuracy: float
) -> None:
    """A third of the errors fall on one neighbour, as classes that look alike are mixed up."""
    random = np.random.default_rng(int(100 * accuracy) + num_classes)
    fired = 0
    for _ in range(300):
        labels = random.integers(num_classes, size=200)
        elsewhere = random.integers(num_classes, size=200)
        wrong = np.where(random.random(200) < 1 / 3, (labels + 1) % num_classes, elsewhere)
        # With two classes a champion that is wrong more often than right has learnt the other order.
        right = random.random(200) < max(accuracy, 0.5 if num_classes == 2 else 0.0)
        champion = champion_that_answers(np.where(right, labels, wrong), labels, num_classes)
        fired += label_order(replace(healthy, champion=champion), SETTINGS).fired
    assert fired <= 3


@pytest.mark.parametrize(("num_classes", "moved", "least"), [(2, 2, 0.999), (5, 5, 0.999), (5, 2, 0.999), (10, 2, 0.9)])
def test_classes_that_changed_places_are_found(healthy: Evidence, num_classes: int, moved: int, least: float) -> None:
    """A champion that is right about 95 % meets labels of which some classes changed places."""
    random = np.random.default_rng(num_classes)
    order = np.arange(num_classes)
    order[:moved] = np.roll(order[:moved], 1)
    fired = 0
    for _ in range(300):
        learnt = random.integers(num_classes, size=300)
        answers = np.where(random.random(300) < 0.95, learnt, random.integers(num_classes, size=300))
        champion = champion_that_answers(answers, order[learnt], num_classes)
        fired += label_order(replace(healthy, champion=champion), SETTINGS).fired
    assert fired / 300 >= least
