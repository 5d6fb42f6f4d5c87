"""How far pictures are from those that were learnt, in the eyes of the backbone."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import tensorflow as tf

_BATCH_SIZE: Final = 32


class Distances:
    """From a picture's embedding to the reference's mean."""

    def __init__(self, saved_model: str, mean: np.ndarray) -> None:
        """Loads the model.

        Args:
            saved_model: Folder of a SavedModel with the signature `embeddings`.
            mean: float32 [features].
        """
        # Held, for signatures die with the object that was loaded.
        self._loaded: Any = tf.saved_model.load(saved_model)
        self._mean = mean

    def of(self, pictures: Sequence[bytes]) -> list[float | None]:
        """Measures pictures; None for one that cannot be decoded, which ends no batch for the others."""
        found: list[float | None] = []
        for start in range(0, len(pictures), _BATCH_SIZE):
            batch = pictures[start : start + _BATCH_SIZE]
            try:
                found += self._measured(batch)
            except tf.errors.OpError:
                found += [self._alone(picture) for picture in batch]
        return found

    def _alone(self, picture: bytes) -> float | None:
        try:
            return self._measured([picture])[0]
        except tf.errors.OpError:
            return None

    def _measured(self, pictures: Sequence[bytes]) -> list[float]:
        answer = self._loaded.signatures["embeddings"](image_bytes=tf.constant(list(pictures), tf.string))
        return distances(answer["embeddings"].numpy(), self._mean)


def distances(embeddings: np.ndarray, mean: np.ndarray) -> list[float]:
    """Euclidean distances of rows [n, features] from `mean` [features]."""
    return np.linalg.norm(embeddings - mean, axis=1).astype(float).tolist()
