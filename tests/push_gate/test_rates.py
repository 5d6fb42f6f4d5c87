"""How often the rule blocks, holds and passes, by seeded simulation; the rates that docs/gate.md promises."""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from components.intervals import Counts, PairedCounts
from components.push_gate.evidence import Evidence, SplitEvaluation
from components.push_gate.evidence import SplitMeasurement as Measured
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
