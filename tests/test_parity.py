"""What float32 explains of a difference between two tables of probabilities, and what it does not."""

import math

import numpy as np
import pytest

from components.parity import compare, rounding_limit


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
