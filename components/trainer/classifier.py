"""Builds the classifier: a head on the backbone's features, and the model from pixels to probabilities."""

import keras

from components.trainer.settings import HeadSettings


def build_head(settings: HeadSettings, embedding_size: int, num_classes: int) -> keras.Sequential:
    """Builds the layers from features float32 [batch, embedding_size] to probabilities float32 [batch, num_classes].

    The head has no BatchNorm, because BatchNorm's statistics are unreliable on little data.
    """
    layers: list[keras.layers.Layer] = [keras.Input((embedding_size,))]
    if settings.hidden_units:
        layers.append(keras.layers.Dense(settings.hidden_units, activation="relu", name="hidden"))
    if settings.dropout:
        layers.append(keras.layers.Dropout(settings.dropout, name="dropout"))
    # The serving check compares probabilities between processes, for which bfloat16 is too coarse.
    layers.append(keras.layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities"))
    return keras.Sequential(layers, name="head")


def assemble(backbone: keras.Model, head: keras.Model, frozen_batch_norm: bool) -> keras.Model:
    """Joins backbone and head.

    Args:
        backbone: A model from pixels to features.
        head: A model from features to probabilities.
        frozen_batch_norm: Whether the backbone is called in inference mode even where the classifier is called in
            training mode. Its BatchNorm layers must be frozen as well, since Keras lets `trainable` win over this.

    Returns:
        A model from pixels float32 [batch, size, size, 3] to probabilities float32 [batch, num_classes].
    """
    pixels = keras.Input(backbone.input_shape[1:], name="pixels")
    features = backbone(pixels, training=False) if frozen_batch_norm else backbone(pixels)
    return keras.Model(pixels, head(features), name="classifier")
