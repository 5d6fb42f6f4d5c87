"""Confidence intervals of proportions and of their differences; pure.

Every bound the gate acts on is one-sided. `confidence` is always the confidence of *one* end: an interval with
confidence 0.95 is the two-sided 90 % interval, and each of its ends is a 95 % bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import bdtr, betaincinv
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint


@dataclass(frozen=True)
class Interval:
    """Both ends of an interval; `level` is the one-sided confidence of each end, in (0.5, 1)."""

    low: float
    high: float
    level: float
    method: str


@dataclass(frozen=True)
class Counts:
    """How many of `total` examples were right; 0 <= correct <= total, total >= 1."""

    correct: int
    total: int

    def __post_init__(self) -> None:
        """Refuses counts that cannot be."""
        if not 0 <= self.correct <= self.total or self.total < 1:
            raise ValueError(f"counts must satisfy 0 <= correct <= total and total >= 1; received {self}.")

    @property
    def value(self) -> float:
        """The proportion, in [0, 1]."""
        return self.correct / self.total


@dataclass(frozen=True)
class PairedCounts:
    """Two classifications of the same examples: how often both, only the first, only the second, neither were right."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @classmethod
    def of(cls, first_right: np.ndarray, second_right: np.ndarray) -> "PairedCounts":
        """Counts the pairs of two bool [n], the same examples in the same order."""
        return cls(
            both=int((first_right & second_right).sum()),
            only_first=int((first_right & ~second_right).sum()),
            only_second=int((~first_right & second_right).sum()),
            neither=int((~first_right & ~second_right).sum()),
        )

    @property
    def total(self) -> int:
        """Number of examples."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def first(self) -> Counts:
        """The first classification by itself."""
        return Counts(self.both + self.only_first, self.total)

    @property
    def second(self) -> Counts:
        """The second classification by itself."""
        return Counts(self.both + self.only_second, self.total)

    @property
    def difference(self) -> float:
        """First proportion minus second, in [-1, 1]."""
        return (self.only_first - self.only_second) / self.total


def wilson(counts: Counts, confidence: float) -> Interval:
    """Wilson's score interval of one proportion.

    Source: Wilson 1927, JASA 22:209; `statsmodels.stats.proportion.proportion_confint`.
    """
    low, high = proportion_confint(counts.correct, counts.total, alpha=_alpha(confidence), method="wilson")
    return Interval(float(low), float(high), confidence, "Wilson")


def stratified(parts: Sequence[Counts], confidence: float) -> Interval:
    """Interval of the proportion over several groups of examples together, for groups of the sizes that they have.

    Square-and-add of the groups' Wilson intervals, each weighted by its size. That groups differ is no uncertainty
    here, so that it is narrower than Wilson's interval of the sum where one group is right more often than another.

    Source: Zou and Donner 2008, Statistics in Medicine 27:1693.
    """
    total = sum(part.total for part in parts)
    value = sum(part.correct for part in parts) / total
    distances = np.array([_distances(part, confidence) for part in parts])
    weights = np.array([part.total for part in parts]) / total
    down, up = np.sqrt(((weights[:, None] * distances) ** 2).sum(axis=0))
    return Interval(float(value - down), float(value + up), confidence, "stratified Wilson")


def newcombe(first: Counts, second: Counts, confidence: float) -> Interval:
    """Interval of first - second for proportions of different examples.

    Source: Newcombe 1998, Statistics in Medicine 17:873, method 10; `confint_proportions_2indep`.
    """
    low, high = confint_proportions_2indep(
        first.correct, first.total, second.correct, second.total, method="newcomb", alpha=_alpha(confidence)
    )
    return Interval(float(low), float(high), confidence, "Newcombe")


def newcombe_exact(first: Counts, second: Counts, confidence: float) -> Interval:
    """Interval of first - second for proportions of different examples, of which there may be few.

    Newcombe's square-and-add on Clopper and Pearson's limits, for Wilson's promise too much on a handful of examples
    and far out, where many comparisons are adjusted for.

    Source: Zou and Donner 2008, Statistics in Medicine 27:1693; Clopper and Pearson 1934, Biometrika 26:404.
    """
    difference, (down, up) = first.value - second.value, _exact_distances(first, confidence)
    their_down, their_up = _exact_distances(second, confidence)
    low, high = difference - np.hypot(down, their_up), difference + np.hypot(up, their_down)
    return Interval(float(low), float(high), confidence, "Newcombe exact")


def newcombe_exact_p_value(first: Counts, second: Counts, margin: float) -> float:
    """One-sided p-value of "first - second <= margin": the level at which `newcombe_exact`'s lower bound meets it.

    Returns:
        In (0, 1]; 1 where the observed difference does not exceed the margin. Below 0.05 exactly when the 95 % lower
        bound exceeds the margin.
    """
    if first.value - second.value <= margin:
        return 1.0

    def distance(level: float) -> float:
        return newcombe_exact(first, second, 1.0 - level).low - margin

    smallest, largest = 1e-12, 0.5
    if distance(smallest) > 0:
        return smallest
    # The limits of a handful of examples are apart even at one half.
    return float(brentq(distance, smallest, largest)) if distance(largest) > 0 else largest


def newcombe_paired(pairs: PairedCounts, confidence: float) -> Interval:
    """Interval of first - second for two classifications of the same examples.

    Square-and-add of two Wilson intervals with the correlation of the pairs. Chosen over Agresti and Min's adjusted
    Wald because it cannot leave [-1, 1] and is built from the intervals that the other checks use.

    Source: Newcombe 1998, Statistics in Medicine 17:2635, method 10.
    """
    low_1, high_1 = _distances(pairs.first, confidence)
    low_2, high_2 = _distances(pairs.second, confidence)
    phi = _correlation(pairs)
    down = np.sqrt(low_1**2 - 2 * phi * low_1 * high_2 + high_2**2)
    up = np.sqrt(high_1**2 - 2 * phi * high_1 * low_2 + low_2**2)
    difference = pairs.difference
    return Interval(float(difference - down), float(difference + up), confidence, "Newcombe paired")


def bootstrap_paired_difference(pairs: PairedCounts, confidence: float, samples: int, seed: int = 0) -> Interval:
    """Percentile bootstrap of first - second over examples, pairs kept together.

    Drawing n of n examples with replacement is drawing the four counts from a multinomial, so no resample is ever held.

    Source: Efron 1979, Annals of Statistics 7:1.
    """
    shares = np.array([pairs.only_first, pairs.only_second, pairs.both + pairs.neither]) / pairs.total
    draws = np.random.default_rng(seed).multinomial(pairs.total, shares, size=samples)
    differences = (draws[:, 0] - draws[:, 1]) / pairs.total
    low, high = np.quantile(differences, [1.0 - confidence, confidence])
    return Interval(float(low), float(high), confidence, "paired bootstrap")


def below_p_value(counts: Counts, share: float) -> float:
    """One-sided p-value of the exact binomial test that a proportion is at least a share in [0, 1].

    Source: Clopper and Pearson 1934, Biometrika 26:404; `scipy.stats.binom.cdf`.
    """
    return float(bdtr(counts.correct, counts.total, share))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values, in the order given; empty for none.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65; `multipletests`.
    """
    if not p_values:
        return ()
    return tuple(float(value) for value in multipletests(list(p_values), method="holm")[1])


def _alpha(confidence: float) -> float:
    return 2.0 * (1.0 - confidence)


def _distances(counts: Counts, confidence: float) -> tuple[float, float]:
    interval = wilson(counts, confidence)
    return counts.value - interval.low, interval.high - counts.value


def _exact_distances(counts: Counts, confidence: float) -> tuple[float, float]:
    right, wrong, level = counts.correct, counts.total - counts.correct, 1.0 - confidence
    low = betaincinv(right, wrong + 1, level) if right else 0.0
    high = 1.0 - betaincinv(wrong, right + 1, level) if wrong else 1.0
    return counts.value - low, high - counts.value


def _correlation(pairs: PairedCounts) -> float:
    """Phi of the 2x2 table, shrunk towards 0 by half an example as Newcombe prescribes for positive correlation."""
    first, second = pairs.first, pairs.second
    margins = first.correct * (pairs.total - first.correct) * second.correct * (pairs.total - second.correct)
    if margins == 0:
        return 0.0
    product = pairs.both * pairs.neither - pairs.only_first * pairs.only_second
    shrunk = product if product < 0 else max(product - pairs.total / 2, 0.0)
    return float(shrunk / np.sqrt(float(margins)))
