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
# How many times as far as one spacing of the inputs moves the answers; docs/gate.md has what was measured.
_MARGIN: Final = 16.0
# A model that rounding moves further is as good as random where classes are close, and is refused as one that is off.
_MOST: Final = 1e-2


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


def one_spacing_up(inputs: np.ndarray) -> np.ndarray:
    """The next larger float32 of every input: the smallest change that a model can be asked about."""
    return np.nextafter(inputs, np.float32(np.inf), dtype=np.float32)


def compare(served: np.ndarray, expected: np.ndarray, nudged: np.ndarray | None = None) -> Parity:
    """Compares two tables of probabilities, float [n, classes] each, by `rounding_limit(expected, nudged)`."""
    return Parity(_largest_difference(served, expected), rounding_limit(expected, nudged))


def rounding_limit(probabilities: np.ndarray, nudged: np.ndarray | None = None) -> float:
    """The largest difference of a probability that float32 explains: the larger of two limits.

    The first knows the logits. Logits that are off by at most d each move no probability of a softmax by more than
    tanh(d / 2) <= d / 2. A logit is a sum of float32 terms, and off by some spacings of float32 at the size of its
    terms. Their size is not to be seen in probabilities, but that of the logits is: the logarithms of probabilities
    differ as the logits do. One is added, since near 0 the terms outweigh their sum.

    The second knows the network, which may carry rounding further: statistics with a variance near 0 multiply what
    comes in. Inputs that are one spacing of float32 larger make it round everything anew, and what that moves is a
    sample of what another order of its sums moves.

    Args:
        probabilities: float [n, classes], n >= 1.
        nudged: The same model's for the same inputs `one_spacing_up`; without them the first limit stands alone.

    Returns:
        Above 0, and at most 1e-2 (4e-4 without `nudged`); NaN or infinite where a probability is.
    """
    logarithms = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST))
    spread = float((logarithms.max(axis=1) - logarithms.min(axis=1)).max())
    of_logits = _GROWTH * _SPACING * (1.0 + spread) / 2
    if nudged is None:
        return of_logits
    return float(np.maximum(of_logits, np.minimum(_MARGIN * _largest_difference(nudged, probabilities), _MOST)))


def _largest_difference(some: np.ndarray, others: np.ndarray) -> float:
    return float(np.abs(some.astype(np.float64) - others.astype(np.float64)).max())
