"""What float32 explains of a difference between two tables of probabilities, and what it does not."""

import math

import numpy as np
import pytest

from components.parity import compare, one_spacing_up, rounding_limit


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def network(depth: int, gain: float, kind: type = np.float32) -> tuple[np.ndarray, list[np.ndarray]]:
    """Inputs and weights of a random network of rectified layers, whose logits grow with the gain."""
    random = np.random.default_rng(depth)
    sizes = [256] * depth + [10]
    weights = [random.normal(0, math.sqrt(2 / 256), (256, size)) for size in sizes]
    weights[-1] *= gain
    return random.normal(size=(128, 256)).astype(kind), [weight.astype(kind) for weight in weights]


def answers(inputs: np.ndarray, weights: list[np.ndarray], order: np.ndarray) -> np.ndarray:
    """The network's probabilities, its sums taken in another order."""
    for weight in weights[:-1]:
        inputs = np.maximum(inputs[:, order] @ weight[order], 0)
    return softmax(inputs[:, order] @ weights[-1][order])


ORDER, OTHER = np.arange(256), np.random.default_rng(1).permutation(256)


@pytest.mark.parametrize("depth", [1, 10, 50])
@pytest.mark.parametrize("gain", [0.01, 1.0, 10.0, 100.0])
def test_another_order_of_sums_is_rounding(depth: int, gain: float) -> None:
    inputs, weights = network(depth, gain)
    parity = compare(answers(inputs, weights, OTHER), answers(inputs, weights, ORDER))
    assert parity.holds, parity


@pytest.mark.parametrize("depth", [1, 10, 50])
@pytest.mark.parametrize("gain", [0.3, 1.0, 3.0])
def test_other_inputs_and_other_weights_are_no_rounding(depth: int, gain: float) -> None:
    inputs, weights = network(depth, gain)
    expected = answers(inputs, weights, ORDER)
    skewed = compare(answers(inputs * 0.98 + 0.02, weights, ORDER), expected)
    changed = compare(answers(inputs, [weights[0] * 1.02, *weights[1:]], ORDER), expected)
    assert min(skewed.difference, changed.difference) > 10 * skewed.limit, (skewed, changed)


def far_carrying(inputs: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Statistics of a few images: what lies close to their mean is divided by a deviation near 0."""
    random = np.random.default_rng(3)
    weights = random.normal(0, math.sqrt(2 / 256), (256, 256)).astype(np.float32)
    centre = (CENTRE[:, ORDER] @ weights[ORDER]).mean(axis=0)
    hidden = (inputs[:, order] @ weights[order] - centre) / np.float32(3e-4)
    return softmax(hidden[:, order] @ random.normal(0, 0.05, (256, 10)).astype(np.float32)[order])


CENTRE = 1 + np.random.default_rng(4).normal(size=(1, 256)).astype(np.float32)
# Pictures that are the three but for one grey value in ten thousand.
NEAR = (CENTRE * (1 + np.random.default_rng(5).normal(0, 1e-4, (32, 256)))).astype(np.float32)


def test_a_network_that_carries_rounding_far_is_allowed_it_and_no_skew() -> None:
    expected, nudged = far_carrying(NEAR, ORDER), far_carrying(one_spacing_up(NEAR), ORDER)
    for seed in range(10):
        served = far_carrying(NEAR, np.random.default_rng(seed).permutation(256))
        assert not compare(served, expected).holds
        assert compare(served, expected, nudged).holds
    skewed = compare(far_carrying(NEAR * np.float32(0.98) + np.float32(0.02), ORDER), expected, nudged)
    assert skewed.difference > 10 * skewed.limit


@pytest.mark.parametrize("depth", [1, 10, 50])
@pytest.mark.parametrize("gain", [0.01, 1.0, 10.0, 100.0])
def test_a_network_that_carries_none_keeps_its_limit(depth: int, gain: float) -> None:
    inputs, weights = network(depth, gain)
    expected = answers(inputs, weights, ORDER)
    assert rounding_limit(expected, answers(one_spacing_up(inputs), weights, ORDER)) < 2 * rounding_limit(expected)


def test_no_model_is_allowed_more_than_a_point() -> None:
    even = np.array([[0.5, 0.5]])
    assert rounding_limit(even, even) == rounding_limit(even)
    assert rounding_limit(even, np.array([[0.9, 0.1]])) == 1e-2
    assert math.isnan(rounding_limit(even, np.array([[math.nan, 0.5]])))


def test_the_limit_grows_with_the_logits_and_no_further_than_float32_shows_them() -> None:
    even, sure, surest = (softmax(np.array([[0.0, size]])) for size in (0.0, 10.0, 1_000.0))
    assert rounding_limit(even) == pytest.approx(3.8e-6, rel=0.01)
    assert rounding_limit(sure) == pytest.approx(11 * rounding_limit(even))
    assert rounding_limit(sure) < rounding_limit(surest) < 4e-4


def test_noise_below_one_in_a_hundred_thousand_is_no_rounding_where_logits_are_small() -> None:
    assert not compare(np.array([[0.500008, 0.499992]]), np.array([[0.5, 0.5]])).holds


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_no_number_is_never_in_parity(broken: float) -> None:
    fine = np.array([[0.25, 0.75]])
    assert not compare(np.array([[broken, 0.75]]), fine).holds
    assert not compare(fine, np.array([[broken, 0.75]])).holds


def test_noise_above_one_in_a_hundred_thousand_is_rounding_where_logits_are_large() -> None:
    expected = softmax(np.array([[0.0, 1.0, 20.0], [3.0, 3.5, -15.0]]))
    served = expected + np.array([[0.0, 0.0, 0.0], [1.4e-5, -1.4e-5, 0.0]])
    assert compare(served, expected).holds
    assert not compare(expected + np.array([[1e-3, -1e-3, 0.0]]), expected).holds
