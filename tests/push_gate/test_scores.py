"""Arrays of scores and what is said of them."""

import numpy as np
import pytest

from components.intervals import PairedCounts
from components.push_gate.scores import (
    confusion,
    favourite,
    joined,
    per_class,
    predictions,
    reliability,
    score,
)

PROBABILITIES = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [np.nan, 0.5]], dtype=np.float32)
SCORES = score(np.array([0, 0, 0, 0]), PROBABILITIES, np.array([0, 1, 0, 0]))


def test_a_row_that_is_not_finite_is_never_right() -> None:
    assert SCORES.predicted.tolist() == [0, 1, 0, -1]
    assert (SCORES.counts.correct, SCORES.counts.total) == (2, 4)
    assert predictions(PROBABILITIES).tolist() == [0, 1, 0, -1]
    assert np.isnan(SCORES.loss)


def test_what_rounding_may_turn_over_is_undecided() -> None:
    labels, probabilities, named = np.array([0, 0]), np.array([[0.501, 0.499], [0.6, 0.4]]), np.array([0, 0])
    assert score(labels, probabilities, named).undecided.tolist() == [False, False]
    assert score(labels, probabilities, named, rounding=2e-3).undecided.tolist() == [True, False]


def test_ties_and_broken_rows_are_undecided() -> None:
    assert SCORES.undecided.tolist() == [False, False, True, True]
    assert score(np.array([0]), np.array([[np.inf, 0.0]]), np.array([0])).undecided.tolist() == [True]


def test_loss_is_the_mean_cross_entropy() -> None:
    scores = score(np.array([0, 1]), PROBABILITIES[:2], np.array([0, 1]))
    assert scores.loss == pytest.approx(-(np.log(0.9) + np.log(0.6)) / 2)


def test_joining_batches_is_scoring_them_at_once() -> None:
    labels, index = np.array([0, 1, 0, 1]), np.array([0, 1, 0, 0])
    whole = score(labels, PROBABILITIES, index)
    parts = joined(score(labels[cut], PROBABILITIES[cut], index[cut]) for cut in (slice(0, 3), slice(3, 4)))
    for mine, theirs in zip(vars(whole).values(), vars(parts).values(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_confusion_has_true_classes_in_rows() -> None:
    assert confusion(SCORES, 2) == [[2, 1], [0, 0]]


def test_pairs_are_counted_by_who_is_right() -> None:
    first, second = np.array([1, 1, 1, 0, 0, 0], bool), np.array([1, 0, 0, 1, 0, 0], bool)
    assert vars(PairedCounts.of(first, second)) == {"both": 1, "only_first": 2, "only_second": 1, "neither": 2}


def test_the_favourite_is_a_share_of_all_examples() -> None:
    assert favourite(np.array([1, 1, 0, -1]), 2) == (1, 0.5)
    assert favourite(np.array([-1, -1]), 2) == (None, 0.0)


def test_precision_and_recall_are_unknown_rather_than_zero_without_examples() -> None:
    first, second = per_class(SCORES, ("a", "b"))
    assert first == {"class": "a", "count": 4, "precision": 1.0, "recall": 0.5}
    assert second == {"class": "b", "count": 0, "precision": 0.0, "recall": None}


def test_calibration_error_weighs_every_bin_by_its_count() -> None:
    probabilities = np.array([[0.95, 0.05]] * 3 + [[0.65, 0.35]])
    bins, error = reliability(score(np.array([0, 0, 1, 0]), probabilities, np.zeros(4, np.int64)))
    assert [part["count"] for part in bins] == [0, 0, 0, 0, 0, 0, 1, 0, 0, 3]
    assert error == pytest.approx(3 / 4 * (0.95 - 2 / 3) + 1 / 4 * (1 - 0.65))


def test_a_probability_on_an_edge_and_one_of_one_have_a_bin() -> None:
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5]])
    bins, _ = reliability(score(np.array([0, 0]), probabilities, np.zeros(2, np.int64)))
    assert bins[9]["count"] == 1 and bins[4]["count"] == 1
