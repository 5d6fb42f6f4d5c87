"""Thresholds under which hardly anything is refused say so."""

from dataclasses import replace

import pytest

from components.intervals import PairedCounts
from components.push_gate.evidence import Evidence
from components.push_gate.rule import decide
from components.push_gate.settings import GateSettings
from components.push_gate.useless import BY_HEART, COLLAPSED, would_pass

WIDE = {
    "max_mode_gap": 1.0, "min_margin_over_chance": 0.0, "max_generalisation_gap": 1.0, "hold_generalisation_gap": 1.0,
    "min_first_accuracy": 0.0, "max_top_share": 1.0, "min_eval_examples": 1,
}  # fmt: skip


@pytest.mark.parametrize(("frequent", "total"), [(3, 5), (10, 100), (250, 500), (450, 500), (495, 500)])
def test_by_the_defaults_no_useless_model_passes(healthy: Evidence, frequent: int, total: int) -> None:
    guessing = PairedCounts(frequent, total - frequent, 0, 0)
    assert would_pass(replace(healthy, guessing=guessing), GateSettings()) == ()


def test_thresholds_that_refuse_nothing_are_seen(healthy: Evidence) -> None:
    assert would_pass(healthy, GateSettings(**WIDE)) == (COLLAPSED, BY_HEART)
    # One of the two is seen by the comparison of the modes alone.
    assert would_pass(healthy, GateSettings(**WIDE | {"max_mode_gap": 0.05})) == (BY_HEART,)


@pytest.mark.parametrize("narrow", [{"min_first_accuracy": 0.7}, {"max_generalisation_gap": 0.1}])
def test_one_threshold_that_bites_is_enough(healthy: Evidence, narrow: dict[str, float]) -> None:
    assert would_pass(healthy, GateSettings(**WIDE | narrow)) == ()


def test_both_useless_models_may_pass_and_are_named(healthy: Evidence) -> None:
    from components.push_gate.judge import _with_warning

    decision = _with_warning(decide(healthy, GateSettings()), (COLLAPSED, BY_HEART))
    assert decision.sentence.endswith(
        " With these thresholds a model that is right in training mode and hardly better than guessing when it serves "
        "and one that knows its training images by heart and is hardly better than guessing on others would pass, too."
    )


def test_what_was_not_measured_says_nothing_about_others(healthy: Evidence) -> None:
    assert would_pass(Evidence(train=healthy.train), GateSettings(**WIDE)) == ()
