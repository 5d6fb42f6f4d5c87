"""Turns labels into the targets and weights that the loss takes."""

from typing import Literal

import numpy as np
import tensorflow as tf


class Targets:
    """Turns label indices into one-hot targets and example weights."""

    def __init__(self, labels: np.ndarray, num_classes: int, class_weights: Literal["none", "balanced"]) -> None:
        """Counts the classes once.

        Args:
            labels: int32 [num_examples] of the training split.
            num_classes: Number of the model's outputs.
            class_weights: `balanced` gives every class the same total weight.
        """
        self._num_classes = num_classes
        weights = np.ones(num_classes)
        if class_weights == "balanced":
            counts = np.bincount(labels, minlength=num_classes)
            weights = len(labels) / (num_classes * np.maximum(counts, 1))
        self._weights = tf.constant(weights, tf.float32)

    def __call__(self, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns targets float32 [batch, num_classes] and weights float32 [batch] for labels int [batch]."""
        return tf.one_hot(labels, self._num_classes), tf.gather(self._weights, labels)
