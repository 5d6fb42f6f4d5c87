"""Intervals against published values, each other and simulation."""

import numpy as np
import pytest

from components.intervals import (
    Counts,
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


def test_wilson_agrees_with_newcombes_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263.
    interval = wilson(Counts(81, 263), 0.975)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


def test_newcombe_agrees_with_the_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17:873, table II: 56/70 - 48/80.
    interval = newcombe(Counts(56, 70), Counts(48, 80), 0.975)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize(
    ("pairs", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17:2635, method 10.
        (PairedCounts(36, 12, 2, 0), 0.0569, 0.3404),
        # Altman et al. 2000, Statistics with Confidence, table 6.2.
        (PairedCounts(14, 5, 0, 22), 0.0115, 0.2265),
    ],
)
def test_paired_interval_agrees_with_published_examples(pairs: PairedCounts, low: float, high: float) -> None:
    interval = newcombe_paired(pairs, 0.975)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


def test_confidence_is_that_of_one_end() -> None:
    # z = 1.6449 for a one-sided 95 % bound; Wilson's ends then satisfy |p - end| = z sqrt(end (1 - end) / n).
    low = wilson(Counts(90, 100), 0.95).low
    assert 0.90 - low == pytest.approx(1.6448536 * np.sqrt(low * (1 - low) / 100), rel=1e-6)


def test_paired_bound_holds_at_its_level() -> None:
    random = np.random.default_rng(0)
    draws = random.multinomial(400, [0.70, 0.10, 0.04, 0.16], size=2_000)
    lows = [newcombe_paired(PairedCounts(*map(int, draw)), 0.95).low for draw in draws]
    assert 0.935 <= np.mean(np.array(lows) <= 0.06) <= 0.975


def test_pairing_narrows_the_interval() -> None:
    pairs = PairedCounts(150, 10, 2, 38)
    paired, unpaired = newcombe_paired(pairs, 0.95), newcombe(pairs.first, pairs.second, 0.95)
    assert paired.high - paired.low < unpaired.high - unpaired.low


def test_identical_answers_leave_an_interval_around_zero() -> None:
    interval = newcombe_paired(PairedCounts(200, 0, 0, 0), 0.95)
    assert interval.low < 0 < interval.high


def test_bootstrap_equals_resampling_the_examples_themselves() -> None:
    first = np.repeat([1, 1, 0, 0], [70, 20, 5, 5])
    second = np.repeat([1, 0, 1, 0], [70, 20, 5, 5])
    picks = np.random.default_rng(1).integers(0, 100, size=(20_000, 100))
    by_hand = np.quantile((first[picks] - second[picks]).mean(axis=1), [0.05, 0.95])
    interval = bootstrap_paired_difference(PairedCounts(70, 20, 5, 5), 0.95, samples=20_000)
    assert (interval.low, interval.high) == pytest.approx(tuple(by_hand), abs=0.0101)


def test_bootstrap_gives_the_same_answer_twice() -> None:
    pairs = PairedCounts(70, 20, 5, 5)
    assert bootstrap_paired_difference(pairs, 0.95, 500) == bootstrap_paired_difference(pairs, 0.95, 500)


@pytest.mark.parametrize("correct", range(60, 100, 4))
def test_p_value_and_lower_bound_say_the_same(correct: int) -> None:
    first, second = Counts(980, 1000), Counts(correct, 100)
    exceeds = newcombe_exact(first, second, 0.95).low > 0.10
    assert (newcombe_exact_p_value(first, second, 0.10) < 0.05) == exceeds


def test_p_value_of_an_overwhelming_gap_is_tiny() -> None:
    assert newcombe_exact_p_value(Counts(1000, 1000), Counts(0, 1000), 0.10) <= 1e-12


def test_the_exact_interval_is_built_from_clopper_and_pearsons_limits() -> None:
    # The 97.5 % limit of 5 of 5 is .025 ** (1 / 5) = .4782.
    interval = newcombe_exact(Counts(5, 5), Counts(0, 5), 0.975)
    assert interval.low == pytest.approx(1 - 2**0.5 * (1 - 0.4782), abs=1e-4)
    assert interval.high == pytest.approx(1.0)
    assert newcombe_exact(Counts(5, 5), Counts(0, 5), 0.95).low < newcombe(Counts(5, 5), Counts(0, 5), 0.95).low


def test_one_group_by_itself_has_wilsons_interval() -> None:
    alone, wilsons = stratified([Counts(81, 263)], 0.975), wilson(Counts(81, 263), 0.975)
    assert (alone.low, alone.high) == pytest.approx((wilsons.low, wilsons.high))


def test_how_much_groups_differ_leaves_nothing_to_doubt() -> None:
    interval = stratified([Counts(100, 100), Counts(0, 100)], 0.975)
    # Wilson's interval of 100 of 200 reaches from .431 to .569.
    assert (round(interval.low, 3), round(interval.high, 3)) == (0.482, 0.518)


def test_holm_adjusts_step_by_step() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([]) == ()


@pytest.mark.parametrize(("correct", "total"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(correct: int, total: int) -> None:
    with pytest.raises(ValueError, match="0 <= correct <= total"):
        Counts(correct, total)


@pytest.mark.parametrize(("correct", "total", "share"), [(0, 17, 0.2), (3, 40, 0.2), (20, 50, 0.4), (5, 5, 0.9)])
def test_the_exact_test_of_a_share_is_scipys(correct: int, total: int, share: float) -> None:
    from scipy.stats import binomtest

    expected = binomtest(correct, total, share, alternative="less").pvalue
    assert below_p_value(Counts(correct, total), share) == pytest.approx(expected, rel=1e-9)
