"""Decides how training uses the machine's accelerators."""

from typing import Literal

import tensorflow as tf


def strategy() -> tf.distribute.Strategy:
    """Returns MirroredStrategy where there are several GPUs, otherwise the default one."""
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def precision_policy(mixed_precision: Literal["auto", "on", "off"]) -> str:
    """Returns the Keras dtype policy to train with.

    Args:
        mixed_precision: `auto` asks for bfloat16 on GPUs whose tensor cores have it (compute capability 8 or more).
    """
    if mixed_precision == "off":
        return "float32"
    gpus = tf.config.list_physical_devices("GPU")
    capabilities = [tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) for gpu in gpus]
    capable = bool(capabilities) and min(capabilities) >= (8, 0)
    return "mixed_bfloat16" if mixed_precision == "on" or capable else "float32"
