"""Makes training repeatable: the same seed gives the same weights."""

import keras
import tensorflow as tf


def make_deterministic(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow, and asks for operations whose result does not depend on timing."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
