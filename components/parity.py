"""How far two computations of the same probabilities may be apart by rounding alone; pure."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

# The spacing of float32 at 1, and the smallest number that it holds whole.
_SPACING: Final = float(np.finfo(np.float32).eps)
_SMALLEST: Final = float(np.finfo(np.float32).tiny)
# How many spacings a logit may lose on its way through a deep network; docs/gate.md has what was measured.
_GROWTH: Final = 64.0


@dataclass(frozen=True)
class Parity:
    """How far served probabilities are from those that should be served, and how far they may be."""

    difference: float
    """Largest difference of a probability; NaN where one was not finite."""
    limit: float

    @property
    def holds(self) -> bool:
        """Whether rounding explains the difference; it explains no NaN and no infinity."""
        return self.difference <= self.limit < math.inf


def compare(served: np.ndarray, expected: np.ndarray) -> Parity:
    """Compares two tables of probabilities, float [n, classes] each, by what `expected` allows."""
    difference = float(np.abs(served.astype(np.float64) - expected.astype(np.float64)).max())
    return Parity(difference, rounding_limit(expected))


def rounding_limit(probabilities: np.ndarray) -> float:
    """The largest difference of a probability that float32 explains.

    Logits that are off by at most d each move no probability of a softmax by more than tanh(d / 2) <= d / 2. A logit is
    a sum of float32 terms, and off by some spacings of float32 at the size of its terms. Their size is not to be seen
    in probabilities, but that of the logits is: the logarithms of probabilities differ as the logits do. One is added,
    since near 0 the terms outweigh their sum.

    Args:
        probabilities: float [n, classes], n >= 1.

    Returns:
        Above 0, and below 4e-4, for float32 shows no more of the logits; NaN or infinite where a probability is.
    """
    logarithms = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST))
    spread = float((logarithms.max(axis=1) - logarithms.min(axis=1)).max())
    return _GROWTH * _SPACING * (1.0 + spread) / 2
