"""Plain Keras scripts, healthy and broken, on handwritten digits; none of the project's own model code."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from sklearn.datasets import load_digits

Data = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A trained model and the data that its author looked at."""

    model: keras.Model
    train: Data
    validation: Data
    batch_size: int = 32


def digits(num_train: int = 1_000) -> tuple[Data, Data]:
    """Digits as float32 [n, 16, 16, 3], 0..255, shuffled; the last 600 are validation."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    grey = np.kron(data.images, np.ones((2, 2)))[order] * (255 / 16)
    pictures = np.repeat(grey[..., None], 3, axis=-1).astype(np.float32)
    # Three colours, so that channels can be told apart.
    pictures *= np.array([1.0, 0.8, 0.6], np.float32)
    labels = data.target[order]
    return (pictures[:num_train], labels[:num_train]), (pictures[-600:], labels[-600:])


def convnet(
    num_classes: int = 10,
    norm: Callable[[], keras.layers.Layer] | None = None,
    activation: str | None = "softmax",
    scale: float = 1 / 255,
) -> keras.Model:
    """A small functional net that scales its inputs itself."""
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(scale)(inputs)
    for width in (16, 32):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=norm is None)(x)
        x = norm()(x) if norm else x
        x = keras.layers.MaxPooling2D()(keras.layers.ReLU()(x))
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(num_classes, activation=activation)(x))


def fit(model: keras.Model, train: Data, epochs: int, batch_size: int = 32, loss: object = None) -> keras.Model:
    """Trains with Adam."""
    model.compile(keras.optimizers.Adam(2e-3), loss or "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*train, epochs=epochs, batch_size=batch_size, verbose=0)
    return model


class BatchStatistics(keras.layers.BatchNormalization):
    """BatchNorm as Keras had it before TensorFlow 2: frozen weights, and batch statistics all the same."""

    def call(self, inputs, training=None, mask=None):
        if not training:
            return super().call(inputs, training=False)
        mean, variance = keras.ops.moments(inputs, axes=[0, 1, 2])
        return keras.ops.batch_normalization(inputs, mean, variance, -1, self.beta, self.gamma, self.epsilon)


class AlwaysTraining(keras.layers.BatchNormalization):
    """The commonest answer to a bad validation accuracy: it looks well until pictures come one by one."""

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=True, mask=mask)


def seeded(build: Callable[[], Case]) -> Callable[[], Case]:
    """The same weights every time."""

    def make() -> Case:
        keras.utils.set_random_seed(0)
        return build()

    return make


def _healthy(norm: Callable[[], keras.layers.Layer] | None) -> Callable[[], Case]:
    def build() -> Case:
        train, validation = digits()
        return Case(fit(convnet(norm=norm), train, epochs=6), train, validation)

    return build


def _with(change: Callable[[Data], Data]) -> Callable[[], Case]:
    def build() -> Case:
        train, validation = digits()
        return Case(fit(convnet(), train, epochs=6), train, change(validation))

    return build


def _in_another_order(data: Data) -> Data:
    return data[0], (data[1] + 3) % 10


def _divided(data: Data) -> Data:
    return data[0] / 255, data[1]


def _swapped_channels_and_shifted(data: Data) -> Data:
    return data[0][..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32), data[1]


def _another_domain(data: Data) -> Data:
    # Thick white digits become noise-covered outlines with the same moments.
    pictures, labels = data
    edges = np.abs(np.diff(pictures, axis=1, append=0)) + np.abs(np.diff(pictures, axis=2, append=0))
    noisy = edges + np.random.default_rng(0).normal(0, 60, edges.shape)
    axes = (0, 1, 2)
    standard = (noisy - noisy.mean(axes)) / noisy.std(axes)
    return (standard * pictures.std(axes) + pictures.mean(axes)).astype(np.float32), labels


def _not_converged() -> Case:
    train, validation = digits()
    model = fit(convnet(norm=lambda: keras.layers.BatchNormalization(momentum=0.99), scale=1.0), train, 2, 96)
    return Case(model, train, validation, 96)


def _frozen_on_batch_statistics() -> Case:
    train, validation = digits()
    model = convnet(norm=BatchStatistics, scale=1.0)
    for layer in model.layers:
        if isinstance(layer, BatchStatistics):
            layer.trainable = False
    return Case(fit(model, train, epochs=6), train, validation)


def _batch_statistics_in_serving() -> Case:
    train, validation = digits()
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    # Without places to average over, what a picture is normalised with is its neighbours alone.
    x = keras.layers.ReLU()(AlwaysTraining()(keras.layers.Dense(64, use_bias=False)(x)))
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))
    return Case(fit(model, train, epochs=6), train, validation)


def _one_unit_with_softmax() -> Case:
    train, validation = (_two_classes(data) for data in digits())
    return Case(fit(convnet(1, activation="softmax"), train, 2, loss="binary_crossentropy"), train, validation)


def _two_classes(data: Data) -> Data:
    return data[0], (data[1] >= 5).astype(np.int64)


def _overfitted() -> Case:
    train, validation = digits(num_train=40)
    return Case(fit(convnet(), train, epochs=60), train, validation)


def _leaky() -> Case:
    train, (pictures, labels) = digits(num_train=20)
    model = fit(convnet(), train, epochs=60)
    pictures, labels = pictures.copy(), labels.copy()
    copied = np.random.default_rng(0).integers(0, 20, 240)
    pictures[:240], labels[:240] = train[0][copied], train[1][copied]
    return Case(model, train, (pictures, labels))


def _imbalanced() -> Case:
    (pictures, labels), (unseen, unseen_labels) = digits()
    # Each class of 5 to 9 has three examples in training, and most of validation.
    rare = np.concatenate([np.flatnonzero(labels == digit)[:3] for digit in range(5, 10)])
    kept = np.sort(np.concatenate([np.flatnonzero(labels < 5), rare]))
    mostly_rare = np.flatnonzero((unseen_labels >= 5) | (np.arange(600) % 8 == 0))
    train = pictures[kept], labels[kept]
    return Case(fit(convnet(), train, epochs=6), train, (unseen[mostly_rare], unseen_labels[mostly_rare]))


HEALTHY = {
    "BatchNorm": seeded(_healthy(lambda: keras.layers.BatchNormalization(momentum=0.9))),
    "no normalisation": seeded(_healthy(None)),
    "GroupNorm": seeded(_healthy(lambda: keras.layers.GroupNormalization(groups=4))),
}

BROKEN = {
    "loss_head_mismatch": seeded(_one_unit_with_softmax),
    "batch_norm_mode": seeded(_frozen_on_batch_statistics),
    "statistics_not_converged": seeded(_not_converged),
    "batch_dependence": seeded(_batch_statistics_in_serving),
    "preprocessing_skew": seeded(_with(_divided)),
    "preprocessing_skew by family": seeded(_with(_swapped_channels_and_shifted)),
    "label_order": seeded(_with(_in_another_order)),
    "duplicates": seeded(_leaky),
    "class_imbalance": seeded(_imbalanced),
    "distribution_shift": seeded(_with(_another_domain)),
    "overfitting": seeded(_overfitted),
}
