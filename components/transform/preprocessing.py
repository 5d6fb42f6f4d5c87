"""The Transform step's graph: from encoded bytes to the backbone's input, and from class names to indices."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from components.preprocessing import FAMILIES, Family
from components.transform.decoding import decode_image
from components.transform.scaling import to_input
from schemas import features


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Builds the graph that training, evaluation and serving share.

    Args:
        inputs: Raw features by key; `image_bytes` string [batch] or [batch, 1], `label` likewise or sparse.
        custom_config: `image_size` (int), `classes` (class names in order) and `preprocessing` (a family's name).

    Returns:
        `pixels` float32 [batch, image_size, image_size, 3] and `label_index` int64 [batch], -1 where the label is
        not one of the classes.
    """
    image_size, family = int(custom_config["image_size"]), FAMILIES[custom_config["preprocessing"]]
    return {
        features.PIXELS: to_pixels(_flat(inputs[features.IMAGE_BYTES]), image_size, family),
        features.LABEL_INDEX: to_index(_flat(inputs[features.LABEL]), custom_config["classes"]),
    }


def to_pixels(contents: tf.Tensor, image_size: int, family: Family) -> tf.Tensor:
    """Decodes and scales a batch.

    Args:
        contents: string [batch], encoded pictures.
        image_size: Side of the result, in pixels.
        family: What the backbone's weights expect.

    Returns:
        float32 [batch, image_size, image_size, 3], in the family's range and order of channels.
    """
    return tf.map_fn(
        lambda encoded: to_input(decode_image(encoded), image_size, family),
        contents,
        fn_output_signature=tf.TensorSpec([image_size, image_size, 3], tf.float32),
    )


def to_index(labels: tf.Tensor, classes: Sequence[str]) -> tf.Tensor:
    """Looks class names up.

    Args:
        labels: string [batch].
        classes: Class names in the order of the model's outputs.

    Returns:
        int64 [batch], -1 for a name that is no class.
    """
    # Names are compared, because a lookup table would be filled again at every call of the graph.
    is_class = tf.equal(labels[:, tf.newaxis], tf.constant(list(classes))[tf.newaxis, :])
    return tf.where(tf.reduce_any(is_class, axis=1), tf.argmax(is_class, axis=1), -1)


def _flat(feature: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns one value for each example, [batch], whether the schema declares a shape or a value count."""
    if isinstance(feature, tf.SparseTensor):
        feature = tf.sparse.to_dense(feature, default_value="")
    return tf.reshape(feature, [-1])
