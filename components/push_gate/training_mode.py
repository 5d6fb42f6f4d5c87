"""Measurement A: the Keras model in training mode, without anything random, and unchanged afterwards."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from components.backbone.modes import nothing_random, unchanged
from components.push_gate.scores import predictions

ReadPixels = Callable[[np.ndarray], np.ndarray]


def load_keras(uri: str) -> keras.Model | None:
    """Loads a `.keras` file in safe mode; None where there is none.

    Raises:
        ValueError: The file holds code (a Lambda), or a class that Keras does not know.
    """
    if not tf.io.gfile.exists(uri):
        return None
    with tempfile.TemporaryDirectory() as folder:
        local = str(Path(folder) / "model.keras")
        tf.io.gfile.copy(uri, local)
        return keras.saving.load_model(local, compile=False, safe_mode=True)


def training_mode_predictions(
    model: keras.Model, read_pixels: ReadPixels, num_examples: int, batch_size: int, seed: int
) -> np.ndarray:
    """Classifies examples as the model does while it trains.

    BatchNorm uses batch statistics wherever the trainer left it free to; layers that draw random numbers are off.

    Args:
        model: Pixels to probabilities.
        read_pixels: Positions int64 [k] to pixels float32 [k, size, size, 3].
        num_examples: How many there are, >= 1.
        batch_size: The training batch size: batch statistics depend on it.
        seed: Of the order, so that batches mix classes.

    Returns:
        int64 [num_examples], class indices in the order of the positions; -1 where a probability is not finite.

    Raises:
        RuntimeError: A variable of the model could not be restored.
    """
    order = np.random.default_rng(seed).permutation(num_examples)
    result = np.empty(num_examples, dtype=np.int64)
    step = tf.function(lambda pixels: model(pixels, training=True), autograph=False)
    with unchanged(model), nothing_random(model):
        for start in range(0, num_examples, batch_size):
            new = order[start : start + batch_size]
            # A small last batch would have statistics of its own: it is filled from the start; only the new count.
            batch = np.concatenate([new, np.resize(order, batch_size - len(new))])
            result[new] = predictions(step(read_pixels(batch)).numpy())[: len(new)]
    return result


def inference_probabilities(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """Probabilities in inference mode, float32 [n, classes], to hold against the served ones."""
    return np.asarray(model(pixels, training=False))
