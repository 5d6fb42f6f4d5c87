"""Shuffled batches and scores from features on disk."""

import math

import keras
import numpy as np
import tensorflow as tf

from components.trainer.examples import as_written
from components.trainer.feature_cache import Features
from components.trainer.targets import Targets


def epochs(features: Features, targets: Targets, batch_size: int, first: int, last: int, seed: int) -> tf.data.Dataset:
    """Streams epochs whose order follows from (seed, epoch) alone.

    Args:
        features: A split's features.
        targets: Turns labels into one-hot targets and example weights.
        batch_size: Rows a step.
        first: Epoch to start with.
        last: The epoch after the last one.
        seed: Seed of the order.

    Returns:
        Batches of features float32 [batch, size], targets float32 [batch, num_classes], weights float32 [batch].
    """
    size = features.values.shape[1]

    def rows(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return features.values[indices], features.labels[indices]

    @as_written
    def load(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        values, labels = tf.numpy_function(rows, [indices], (tf.float32, tf.int32))
        values, labels = tf.ensure_shape(values, [None, size]), tf.ensure_shape(labels, [None])
        return values, *targets(labels)

    @as_written
    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(len(features)), seed=[seed, epoch])
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)

    return tf.data.Dataset.range(first, last).flat_map(one_epoch).map(load).prefetch(2)


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Counts the steps of an epoch; the last, smaller batch is trained on too."""
    return math.ceil(num_examples / batch_size)


def score(head: keras.Model, features: Features, batch_size: int = 1024) -> tuple[float, float]:
    """Returns mean cross-entropy, in nats, and accuracy in [0, 1] in inference mode, without smoothing or weights."""
    loss, right = 0.0, 0
    for start in range(0, len(features), batch_size):
        labels = features.labels[start : start + batch_size]
        probabilities = np.asarray(head(features.values[start : start + batch_size], training=False))
        batch_loss, batch_right = cross_entropy_and_hits(probabilities, labels)
        loss, right = loss + batch_loss, right + batch_right
    return loss / len(features), right / len(features)


def cross_entropy_and_hits(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """Sums the cross-entropy of a batch and counts its right answers.

    Args:
        probabilities: float32 [batch, num_classes].
        labels: int [batch].

    Returns:
        Sum of the cross-entropy, in nats, and number of right answers.
    """
    of_labels = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    # float32's smallest normal number is the lower bound: an answer that is certain and wrong must not cost infinity.
    loss = -np.log(np.maximum(of_labels, np.finfo(np.float32).tiny)).sum()
    return float(loss), int((probabilities.argmax(axis=1) == labels).sum())
