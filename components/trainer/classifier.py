"""The classifier: a head on the backbone's features, and the whole from pixels to probabilities."""

import keras

from components.trainer.settings import HeadSettings


def build_head(settings: HeadSettings, embedding_size: int, num_classes: int) -> keras.Sequential:
    """Builds the layers from features float32 [batch, embedding_size] to probabilities float32 [batch, num_classes].

    There is no BatchNorm in it: on little data its statistics are the first thing to go wrong.
    """
    layers: list[keras.layers.Layer] = [keras.Input((embedding_size,))]
    if settings.hidden_units:
        layers.append(keras.layers.Dense(settings.hidden_units, activation="relu", name="hidden"))
    if settings.dropout:
        layers.append(keras.layers.Dropout(settings.dropout, name="dropout"))
    # Probabilities are compared between processes as float32 rounds them; bfloat16 could not be.
    layers.append(keras.layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities"))
    return keras.Sequential(layers, name="head")


def assemble(backbone: keras.Model, head: keras.Model, frozen_batch_norm: bool) -> keras.Model:
    """Joins backbone and head.

    Args:
        backbone: Pixels to features.
        head: Features to probabilities.
        frozen_batch_norm: The backbone is called in inference mode, whatever mode the whole is called in. Its
            BatchNorm layers must be frozen by themselves too, since Keras lets `trainable` win over this.

    Returns:
        A model from pixels float32 [batch, size, size, 3] to probabilities float32 [batch, num_classes].
    """
    pixels = keras.Input(backbone.input_shape[1:], name="pixels")
    features = backbone(pixels, training=False) if frozen_batch_norm else backbone(pixels)
    return keras.Model(pixels, head(features), name="classifier")
