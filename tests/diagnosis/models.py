"""Tiny classifiers of every kind that Keras knows; 8 px in and 3 classes out unless they say otherwise."""

import keras
import numpy as np

SIZE = 8


def pictures(number: int = 40, size: int = SIZE, seed: int = 0) -> np.ndarray:
    """float32 [n, size, size, 3], far from what fresh moving statistics expect."""
    return np.random.default_rng(seed).normal(5.0, 3.0, (number, size, size, 3)).astype(np.float32)


def functional(activation: str | None = "softmax", units: int = 3, frozen: bool = False) -> keras.Model:
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    norm = keras.layers.BatchNormalization(name="norm")
    norm.trainable = not frozen
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(norm(x)))
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(inputs, keras.layers.Dense(units, activation=activation)(x))


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Conv2D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(5, activation="relu"),
            keras.layers.Dense(3),
            keras.layers.Softmax(),
        ]
    )


class Subclassed(keras.Model):
    """Its layers run in another order than they were made in, and its activation is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.top = keras.layers.Dense(3)
        self.norm = keras.layers.BatchNormalization()
        self.body = keras.layers.Dense(6, activation="relu")

    def call(self, inputs):
        x = self.norm(keras.ops.mean(inputs, axis=(1, 2)))
        return keras.ops.softmax(self.top(self.body(x)))


def subclassed() -> keras.Model:
    model = Subclassed()
    model(pictures(2))
    return model


def nested(frozen: bool = True) -> keras.Model:
    """The recipe of Keras' guide: the backbone is called with `training=False`."""
    backbone = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Conv2D(4, 3), Deeper()])
    backbone.trainable = not frozen
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.GlobalAveragePooling2D()(backbone(inputs, training=False))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


class Deeper(keras.layers.Layer):
    """A layer with BatchNorm inside."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = keras.layers.BatchNormalization(name="deep_norm")

    def build(self, input_shape):
        self.norm.build(input_shape)

    def call(self, inputs, training=None):
        return keras.ops.relu(self.norm(inputs, training=training))


def mobile_net() -> keras.Model:
    return keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=3)


def group_norm() -> keras.Model:
    return _convolutional(keras.layers.GroupNormalization(2))


def without_normalisation() -> keras.Model:
    return _convolutional(keras.layers.ReLU())


def _convolutional(middle: keras.layers.Layer) -> keras.Model:
    """No Dense layer: the classes are channels that are averaged."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(3, 3)(middle(keras.layers.Conv2D(4, 3)(inputs)))
    return keras.Model(inputs, keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(x)))


KINDS = {
    "functional": functional,
    "sequential": sequential,
    "subclassed": subclassed,
    "nested": nested,
    "mobile_net": mobile_net,
    "group_norm": group_norm,
    "without_normalisation": without_normalisation,
}
