"""The probes that look at arrays: what they find when it is there, and that they find nothing when it is not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from components.diagnosis.conversions import candidates
from components.diagnosis.domain import domain_auc
from components.diagnosis.input_statistics import input_statistics
from components.diagnosis.label_shift import label_shift
from components.diagnosis.relabelling import best_relabelling

RANDOM = np.random.default_rng(0)


def photographs(number: int, seed: int = 0) -> np.ndarray:
    """float32 [n, 24, 24, 3], RGB 0..255: smooth, with channels that can be told apart."""
    coarse = np.random.default_rng(seed).random((number, 6, 6, 3))
    return (np.kron(coarse, np.ones((1, 4, 4, 1))) * [255, 180, 90]).astype(np.float32)


def large_photographs(number: int, seed: int = 0) -> np.ndarray:
    """The same at 96 px and without edges."""
    smooth = gaussian_filter(np.random.default_rng(seed).random((number, 96, 96, 3)), (0, 4, 4, 0))
    low, high = smooth.min(), smooth.max()
    return (255 * (smooth - low) / (high - low)).astype(np.float32)


def digits() -> np.ndarray:
    grey = np.kron(load_digits().images, np.ones((2, 2))) * (255 / 16)
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.float32)


def caffe(pictures: np.ndarray) -> np.ndarray:
    return pictures[..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32)


def test_a_permuted_order_is_found_and_undone():
    labels = RANDOM.integers(0, 7, 500)
    predicted = np.where(RANDOM.random(500) < 0.9, (labels + 2) % 7, RANDOM.integers(0, 7, 500))
    found = best_relabelling(labels, predicted, 7)
    assert found.mapping == (5, 6, 0, 1, 2, 3, 4)
    assert found.counts.value == pytest.approx(0.9, abs=0.05)


def test_chance_gains_nothing_from_relabelling():
    shares = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        shares.append(best_relabelling(random.integers(0, 10, 200), random.integers(0, 10, 200), 10).counts.value)
    # Fitted and scored on the same examples, the mean would be 0.17.
    assert np.mean(shares) == pytest.approx(0.1, abs=0.015)


def test_a_right_order_stays_and_missing_answers_are_never_right():
    labels = np.repeat(np.arange(4), 50)
    predicted = labels.copy()
    predicted[::5] = -1
    found = best_relabelling(labels, predicted, 4)
    assert found.mapping == (0, 1, 2, 3) and found.counts.correct == 160 and found.counts.total == 200


def test_two_draws_from_one_distribution_do_not_differ_and_an_uneven_one_does():
    train, validation = RANDOM.integers(0, 5, 400), RANDOM.integers(0, 5, 200)
    same = label_shift(train, validation, validation, 5)
    assert same.total_variation < 0.15 and same.p_value > 0.01
    uneven = np.where(RANDOM.random(200) < 0.8, 3, validation)
    other = label_shift(train, uneven, np.full(200, 3), 5)
    assert other.total_variation > 0.5 and other.p_value < 1e-6
    assert (other.top_class, other.top_share) == (3, 1.0)


def test_answers_that_are_missing_are_no_class():
    found = label_shift(np.array([0, 1]), np.array([0, 1]), np.array([-1, -1]), 2)
    assert (found.top_class, found.top_share) == (None, 0.0)


def test_statistics_are_those_of_the_channels():
    pictures = photographs(50)
    found = input_statistics(pictures, pictures * 2 + 10)
    assert found.train.mean == pytest.approx(tuple(pictures.mean((0, 1, 2))), rel=1e-3)
    assert found.validation.deviation == pytest.approx(tuple(2 * pictures.std((0, 1, 2))), rel=1e-3)
    assert found.log_deviation_ratio == pytest.approx(np.log(2), rel=1e-5)
    expected = np.max((pictures.mean((0, 1, 2)) + 10) / pictures.std((0, 1, 2)))
    assert found.standardised_difference == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda x: x / 255, "from unit to none"),
        (lambda x: x / 127.5 - 1, "from tf to none"),
        (caffe, "from caffe to none"),
        (lambda x: x[..., ::-1], "from none, channels reversed to none"),
    ],
)
def test_a_known_conversion_is_the_first_candidate_and_undoes_the_change(change, name):
    original = photographs(200, seed=1)
    found = candidates(input_statistics(photographs(200), change(original).astype(np.float32)))
    assert found[0].name == name and found[0].is_named
    np.testing.assert_allclose(found[0].apply(change(original).astype(np.float32)), original, atol=1e-3)


def test_training_may_be_the_split_that_was_scaled():
    found = candidates(input_statistics(caffe(photographs(200)), photographs(200, seed=1)))
    assert found[0].name == "from none to caffe"


def test_another_contrast_is_met_by_its_moments_alone():
    train, validation = photographs(200), photographs(200, seed=1) * 0.6 + 70
    found = candidates(input_statistics(train, validation))[-1]
    assert not found.is_named
    assert input_statistics(train, found.apply(validation)).standardised_difference < 1e-3


def test_splits_that_agree_need_no_conversion_whatever_their_channels():
    one, other = photographs(200), photographs(200, seed=1)
    rows = RANDOM.random((2_000, 7)).astype(np.float32)
    for train, validation in ((one, other), (one[..., :1], other[..., :1]), (rows[:1_000], rows[1_000:])):
        assert candidates(input_statistics(train, validation)) == ()


def test_one_domain_cannot_be_told_apart_and_two_can():
    same = domain_auc(RANDOM.normal(size=(400, 64)), RANDOM.normal(size=(300, 64)))
    assert same is not None and same.interval.low < 0.5 < same.interval.high + 0.05
    other = domain_auc(RANDOM.normal(size=(400, 64)), RANDOM.normal(0.5, 1, size=(300, 64)))
    assert other is not None and other.auc > 0.95 and other.interval.low > 0.9


def test_too_few_or_infinite_embeddings_cannot_be_judged():
    rows = RANDOM.normal(size=(100, 4))
    assert domain_auc(rows, rows[:19]) is None
    assert domain_auc(rows, np.where(rows > 2, np.inf, rows)) is None
