"""Which validation pictures are a training picture seen again: flipped, turned, moved, zoomed, or a film's next frame.

No score alone tells such a picture from one of the same kind: two eights are more alike than two crops of a photograph.
What tells it is that one training picture fits far better than others do, once each is laid over it as well as can be.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from components.copies.fitting import LEAST_SIDE, SIDE, Fits, Training, best_fits
from components.copies.shrinking import as_numbers

# docs/decisions/0026-near-copies.md has the scores of near copies and of others for each of these.
_RATIO: Final = 0.25
_LEFT: Final = 0.16
_DETAIL_LEFT: Final = 0.3
# Where other pictures fit that well, too (discs on white), nothing tells one of them.
_LEAST_USUAL: Final = 0.25

# With fewer pictures nobody knows what is usual.
_LEAST_TRAINING: Final = 64
# Rows are drawn and looked at in steps, until near copies are surely few or their share is known well.
_STEP: Final = 64
_MOST_ROWS: Final = 512
_FEW: Final = 0.015
_LEAST_SHARE: Final = 0.025


@dataclass(frozen=True)
class NearCopies:
    """What was found among the validation pictures that were looked at."""

    rows: np.ndarray
    """int64 [k]: validation pictures that are near copies."""
    positions: np.ndarray
    """int64 [k]: of which training pictures."""
    examined: np.ndarray
    """int64: validation pictures that were looked at."""


def find_near_copies(train: np.ndarray, validation: np.ndarray, rows: np.ndarray, seed: int = 0) -> NearCopies:
    """Looks for near copies among some of validation.

    A share is asked for, so that a sample will do: no more are looked at where hardly any were found. A few that seem
    to be near copies are none, for a few look so in any data.

    Args:
        train: [n, height, width, channels]; may be a file (`numpy.memmap`), of which 240 bytes a picture are kept.
        validation: [m, height, width, channels].
        rows: int64: validation pictures that are nobody's copies.
        seed: Of the order in which they are drawn.
    """
    side = min(SIDE, *train.shape[1:3], *validation.shape[1:3]) // 2 * 2
    drawn = np.random.default_rng(seed).permutation(rows)[:_MOST_ROWS]
    none = np.empty(0, np.int64)
    if len(train) < _LEAST_TRAINING or side < LEAST_SIDE or not len(drawn):
        return NearCopies(none, none, none)
    training = Training(train, side)
    found, positions, num_examined = none, none, 0
    while num_examined < len(drawn) and len(found) >= _FEW * num_examined:
        some = drawn[num_examined : num_examined + _STEP]
        fits = best_fits(training, as_numbers(validation, some, (side, side)))
        are_near = _are_near(fits)
        found = np.concatenate([found, some[are_near]])
        positions = np.concatenate([positions, fits.position[are_near]])
        num_examined += len(some)
    if len(found) < _LEAST_SHARE * num_examined:
        found, positions = none, none
    return NearCopies(found, positions, drawn[:num_examined])


def _are_near(fits: Fits) -> np.ndarray:
    fits_well = (fits.left < _LEFT) & (fits.detail_left < _DETAIL_LEFT)
    return np.asarray(fits_well & (fits.left < _RATIO * fits.usual) & (fits.usual > _LEAST_USUAL))
