"""What old Keras did and today's does not, rebuilt so that the cases go wrong as they did."""

import keras

from components.backbone.layers import batch_norm_layers


def use_batch_statistics(backbone: keras.Model) -> None:
    """Freezes a backbone as Keras did before TensorFlow 2: BatchNorm still normalises with the batch while training.

    Weights and moving statistics stay as they are, and inference mode uses those of the source task. Today's layers do
    this without a subclass, so any process can load the model: trainable layers whose weights are not, and whose
    statistics never move.

    Args:
        backbone: Built; changed in place.
    """
    # Setting True on a model that is True already does not cascade, so it goes through False.
    backbone.trainable = False
    backbone.trainable = True
    for layer in backbone.layers:
        layer.trainable = False
    for norm in batch_norm_layers(backbone):
        norm.trainable = True
        norm.momentum = 1.0
        norm.gamma.trainable = norm.beta.trainable = False
