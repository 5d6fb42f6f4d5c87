"""Could two samples be of one distribution?"""

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import scipy.stats

# A chi-squared test's approximation holds from here on (Cochran 1954).
_SMALLEST_EXPECTED: Final = 5.0


def numbers_p_value(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sample Kolmogorov-Smirnov test.

    Args:
        first: float [n].
        second: float [m].

    Returns:
        The chance of two samples so different, were they of one distribution.
    """
    with warnings.catch_warnings():
        # That the exact value is replaced by the asymptotic one for large samples is what is wanted.
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(scipy.stats.ks_2samp(first, second).pvalue)


def names_p_value(first: Sequence[str], second: Sequence[str]) -> float:
    """Chi-squared test of homogeneity; names too rare for it are counted together.

    Args:
        first: One name an example.
        second: Likewise.

    Returns:
        As `numbers_p_value`.
    """
    counts = [Counter(first), Counter(second)]
    names = sorted(set(first) | set(second))
    table = np.array([[count[name] for name in names] for count in counts], dtype=float)
    smaller = min(len(first), len(second)) / (len(first) + len(second))
    rare = table.sum(axis=0) * smaller < _SMALLEST_EXPECTED
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)]) if rare.any() else table
    if table.shape[1] < 2:
        return 1.0
    return float(scipy.stats.chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False).pvalue)
