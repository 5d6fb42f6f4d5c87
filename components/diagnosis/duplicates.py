"""Which validation pictures does the training split hold as well?"""

from typing import Final

import numpy as np

from components.diagnosis.evidence import Duplicates

_SIDE: Final = 16
_BLOCK: Final = 1_024
# Of standardised thumbnails: a copy that was compressed again (JPEG, quality 70) or made brighter stays above, and of
# scikit-learn's digits fewer than one in a thousand have another above.
_SAME: Final = 0.99


def near_duplicates(train: np.ndarray, validation: np.ndarray) -> Duplicates:
    """Compares every validation picture with every training picture.

    Args:
        train: float32 [n, height, width, channels], any scaling.
        validation: float32 [m, height, width, channels], any scaling.

    Returns:
        Pairs whose thumbnails are the same up to brightness and contrast; uniform pictures are in none.
    """
    ours, theirs = _standard_thumbnails(train), _standard_thumbnails(validation)
    pairs = []
    for start in range(0, len(theirs), _BLOCK):
        correlations = theirs[start : start + _BLOCK] @ ours.T
        best = correlations.argmax(axis=1)
        same = np.flatnonzero(correlations[np.arange(len(best)), best] > _SAME)
        pairs += [(int(start + row), int(best[row])) for row in same]
    return Duplicates(tuple(pairs), len(validation))


def _standard_thumbnails(pictures: np.ndarray) -> np.ndarray:
    """Rows of length one and mean zero; zero where a picture is uniform."""
    small = pictures
    for axis in (1, 2):
        small = _pooled(small, axis)
    rows = small.reshape(len(small), -1).astype(np.float32)
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-6)


def _pooled(pictures: np.ndarray, axis: int) -> np.ndarray:
    size = pictures.shape[axis]
    edges = np.unique(np.linspace(0, size, min(size, _SIDE) + 1).astype(np.int64))
    sums = np.add.reduceat(pictures, edges[:-1], axis=axis)
    widths = np.diff(edges).reshape([-1 if place == axis else 1 for place in range(pictures.ndim)])
    return sums / widths
