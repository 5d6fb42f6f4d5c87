"""What is coarse and what is fine in pictures."""

from typing import Final

import numpy as np
from scipy.ndimage import uniform_filter

_DETAIL_PIXELS: Final = 7


def shrunk(pictures: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Averages pictures [k, height, width, channels] down to a size; smaller ones stay as they are."""
    return _pooled(_pooled(pictures, 1, size[0]), 2, size[1])


def as_numbers(whole: np.ndarray, rows: slice | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Some of many pictures, float32 [k, height, width, channels], averaged down to a size."""
    found = whole[rows].astype(np.float32)
    if whole.dtype.kind == "f":
        found = np.nan_to_num(found)
    return shrunk(found, size)


def detail(pictures: np.ndarray) -> np.ndarray:
    """What is finer than a few pixels, grey: compression and noise change it first, and no two pictures share it.

    Args:
        pictures: [k, height, width, channels].

    Returns:
        [k, height, width].
    """
    grey = pictures.mean(axis=3)
    return np.asarray(grey - uniform_filter(grey, (0, _DETAIL_PIXELS, _DETAIL_PIXELS), mode="nearest"))


def _pooled(pictures: np.ndarray, axis: int, most: int) -> np.ndarray:
    size = pictures.shape[axis]
    if size <= most:
        return pictures
    if size % most == 0:
        # The same as below, several times as fast.
        every = size // most
        parts = (pictures[(slice(None),) * axis + (slice(start, None, every),)] for start in range(every))
        total = next(parts).astype(np.float32)
        for part in parts:
            total += part
        return total / np.float32(every)
    edges = np.linspace(0, size, most + 1).astype(np.int64)
    sums = np.add.reduceat(pictures, edges[:-1], axis=axis)
    widths = np.diff(edges).reshape([-1 if place == axis else 1 for place in range(pictures.ndim)])
    return (sums / widths).astype(np.float32)
