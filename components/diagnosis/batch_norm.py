"""BatchNorm's statistics against those of the data, measured on the model itself, which is left as it was."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.backbone.modes import unchanged
from components.diagnosis.evidence import LayerDistance
from components.diagnosis.forward import Call, covered, first_argument, forward


def batch_norm_layers(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Every built BatchNormalization layer, nested ones and those of subclasses included, each once."""
    layers = (layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization))
    return [layer for layer in layers if layer.built]


def initial_statistics(model: keras.Model, num_updates: int) -> float | None:
    """What so many updates leave of the moving statistics' start, 0..1: the largest share of a trainable layer.

    Returns:
        None where no BatchNorm layer is trainable.
    """
    moving = (layer for layer in batch_norm_layers(model) if _moves(layer))
    return max((layer.momentum**num_updates for layer in moving), default=None)


def _moves(layer: keras.layers.BatchNormalization) -> bool:
    """Whether training moves a layer's statistics; at a momentum of 1 they are frozen, whatever the flag says."""
    return bool(layer.trainable and layer.momentum < 1)


@contextmanager
def batch_statistics_forced(model: keras.Model) -> Iterator[None]:
    """Every BatchNorm layer, frozen or not, normalises with the batch, whatever mode it is called in.

    A model whose `call` is a `tf.function` that was traced before is out of reach.

    Raises:
        RuntimeError: A variable of the model could not be restored.
    """
    with unchanged(model), covered(batch_norm_layers(model), _forced):
        yield


@contextmanager
def reestimated(
    model: keras.Model, inputs: np.ndarray, batch_size: int, num_examples: int = 1_024, seed: int = 0
) -> Iterator[list[LayerDistance]]:
    """Gives every BatchNorm layer the statistics of the data instead of its moving ones.

    One pass with batch statistics forced and nothing random. The mean is the mean of the batches' means; the variance
    is the mean of the batches' variances plus the variance of their means (the law of total variance).

    Args:
        model: One input, one output; built.
        inputs: float32 [n, ...], as the model takes them.
        batch_size: The training batch size; all examples in one batch where there are fewer.
        num_examples: How many are drawn, at most.
        seed: Of the draw and the order.

    Yields:
        How far the moving statistics were from those of the data, a layer that ran an entry.

    Raises:
        RuntimeError: A variable of the model could not be restored.

    Source: Wu and Johnson 2021, arXiv:2105.07576 (precise BatchNorm).
    """
    rows = np.random.default_rng(seed).permutation(len(inputs))[:num_examples]
    measured = [moments for moments in _measure(model, inputs[rows], batch_size, seed) if moments.has_run]
    distances = [moments.distance() for moments in measured]
    with unchanged(model):
        for moments in measured:
            moments.give_to_layer()
        yield distances


class _Moments:
    """Sums over the batches that a layer was given, float64 [channels]."""

    def __init__(self, layer: keras.layers.BatchNormalization) -> None:
        self.layer = layer
        self._count = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self._mean = tf.Variable(tf.zeros(layer.moving_mean.shape, tf.float64), trainable=False)
        self._square = tf.Variable(tf.zeros(layer.moving_mean.shape, tf.float64), trainable=False)

    def add(self, inputs: tf.Tensor, mask: tf.Tensor | None) -> None:
        """Adds one batch, masked as the layer would."""
        # Not the moving statistics after the batch: a subclass need not update them.
        moments = self.layer._moments(tf.cast(inputs, tf.float32), mask)
        mean, variance = (tf.cast(tf.reshape(part, self._mean.shape), tf.float64) for part in moments)
        self._count.assign_add(1.0)
        self._mean.assign_add(mean)
        self._square.assign_add(variance + mean**2)

    @property
    def has_run(self) -> bool:
        return bool(self._count.numpy())

    def population(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the data, float64 [channels]."""
        mean, square = self._mean.numpy() / self._count.numpy(), self._square.numpy() / self._count.numpy()
        return mean, np.maximum(square - mean**2, 0.0)

    def give_to_layer(self) -> None:
        mean, variance = self.population()
        self.layer.moving_mean.assign(mean)
        self.layer.moving_variance.assign(variance)

    def distance(self) -> LayerDistance:
        layer, (mean, variance) = self.layer, self.population()
        moving_mean, moving_variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
        ratio = (moving_variance + layer.epsilon) / (variance + layer.epsilon)
        return LayerDistance(
            name=layer.name,
            trainable=_moves(layer),
            momentum=layer.momentum,
            mean_distance=float(np.mean(np.abs(moving_mean - mean) / np.sqrt(variance + layer.epsilon))),
            log_variance_ratio=float(np.mean(np.abs(np.log(ratio)))),
        )


def _measure(model: keras.Model, inputs: np.ndarray, batch_size: int, seed: int) -> Sequence[_Moments]:
    layers = batch_norm_layers(model)
    if not layers:
        return ()
    # Filled while the model is traced, so in the order in which data meet the layers.
    met: dict[int, _Moments] = {}

    def noting(layer: keras.layers.BatchNormalization, call: Call) -> Call:
        moments = _Moments(layer)
        return _noting(call, lambda *given: met.setdefault(id(layer), moments).add(*given))

    with batch_statistics_forced(model), covered(layers, noting):
        forward(model, inputs, training=True, batch_size=batch_size, seed=seed)
    return tuple(met.values())


def _noting(call: Call, note: Callable[..., None]) -> Call:
    def noting(*args: Any, **kwargs: Any) -> Any:
        note(first_argument(args, kwargs), kwargs.get("mask"))
        return call(*args, **kwargs)

    return noting


def _forced(layer: keras.layers.Layer, call: Call) -> Call:
    def forced(*args: Any, **kwargs: Any) -> Any:
        # A frozen layer ignores training mode. The public setter would unfreeze its weights one by one as well.
        was, layer._trainable = layer._trainable, True
        try:
            return call(*args, **{**kwargs, "training": True})
        finally:
            layer._trainable = was

    return forced
