"""A small residual network for first tries and tests: it has eight weighted layers and trains on a CPU in seconds."""

from typing import Any, Final

import keras

_WIDTHS: Final = (32, 64, 128)
# BatchNorm's epsilon, the same as in Keras' ResNet50.
_EPSILON: Final = 1.001e-5


def resnet8(input_shape: tuple[int, int, int], name: str, widths: tuple[int, ...] = _WIDTHS) -> keras.Model:
    """Builds a stem that halves the picture and three stages of one basic block each, with BatchNorm.

    Args:
        input_shape: (side, side, 3), in pixels.
        name: The model's name.
        widths: The number of channels of each stage.

    Returns:
        A model with random weights, from float32 [batch, side, side, 3] to float32 [batch, the last width].

    Source: He et al. 2015, arXiv:1512.03385, section 4.2, with n = 1, twice the width and that stem.
    """
    inputs = keras.Input(input_shape)
    features = _normalised(_convolution(widths[0], 3, 2, "stem_conv")(inputs), "stem_bn")
    features = keras.layers.ReLU(name="stem_relu")(features)
    for number, width in enumerate(widths, 1):
        features = _block(features, width, stride=1 if number == 1 else 2, name=f"stage{number}_block1")
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="avg_pool")(features), name=name)


def _block(features: Any, width: int, stride: int, name: str) -> Any:
    shortcut = features
    if stride != 1:
        shortcut = _normalised(_convolution(width, 1, stride, f"{name}_0_conv")(features), f"{name}_0_bn")
    features = _normalised(_convolution(width, 3, stride, f"{name}_1_conv")(features), f"{name}_1_bn")
    features = keras.layers.ReLU(name=f"{name}_1_relu")(features)
    features = _normalised(_convolution(width, 3, 1, f"{name}_2_conv")(features), f"{name}_2_bn")
    return keras.layers.ReLU(name=f"{name}_out")(keras.layers.Add(name=f"{name}_add")([shortcut, features]))


def _convolution(width: int, side: int, stride: int, name: str) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        width, side, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )


def _normalised(features: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=_EPSILON, name=name)(features)
