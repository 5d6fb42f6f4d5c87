"""Pictures of another domain, for validation splits that training did not foresee."""

from collections.abc import Callable
from typing import Final

import numpy as np


def shifted(pictures: np.ndarray, domain: str, random: np.random.Generator) -> np.ndarray:
    """Takes pictures to another domain and keeps every channel's mean and deviation.

    Args:
        pictures: float32 [n, side, side, 3].
        domain: A key of DOMAINS.
        random: For the noise.
    """
    changed = DOMAINS[domain](pictures, random)
    # With other moments it would look like other preprocessing.
    axes = (0, 1, 2)
    standard = (changed - changed.mean(axes)) / changed.std(axes)
    return np.asarray(standard * pictures.std(axes) + pictures.mean(axes), np.float32)


def _outlines(pictures: np.ndarray, random: np.random.Generator) -> np.ndarray:
    edges = np.abs(np.diff(pictures, axis=1, append=0)) + np.abs(np.diff(pictures, axis=2, append=0))
    return edges + random.normal(0, 60, edges.shape)


def _noisy(pictures: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return pictures + random.normal(0, 120, pictures.shape)


def _turned(pictures: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.rot90(pictures, axes=(1, 2))


def _inverted(pictures: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return 255 - pictures


def _moved(pictures: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.roll(pictures, pictures.shape[1] // 4, axis=(1, 2))


DOMAINS: Final[dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]]] = {
    "outlines with noise": _outlines,
    "noise": _noisy,
    "turned": _turned,
    "inverted": _inverted,
    "moved": _moved,
}
