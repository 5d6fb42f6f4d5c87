"""Running a model that somebody else wrote: what it answers, and what its last Dense layer is given."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from scipy.special import expit, softmax

from components.backbone.modes import nothing_random, unchanged
from components.diagnosis.evidence import Head
from components.errors import DataRefused

Call = Callable[..., Any]

# A flattened feature map of 8,000 pictures does not fit into memory, and a comparison of splits needs less.
_MAX_FEATURES: Final = 4_096


@dataclass(frozen=True)
class Outputs:
    """What a model returned, one row an example, in the order of the inputs."""

    raw: np.ndarray
    """float32 [n, units], before any conversion."""
    embeddings: np.ndarray | None
    """float32 [n, features], the input of the last Dense layer that ran; None where no Dense layer saw the batch."""


def forward(
    model: keras.Model,
    inputs: np.ndarray,
    training: bool = False,
    batch_size: int = 64,
    seed: int = 0,
    step: Call | None = None,
) -> Outputs:
    """Runs a model of any kind: functional, sequential, subclassed or nested.

    Every variable is put back, for a model may move its statistics in inference mode, too. In training mode batches are
    shuffled so that they mix classes, and layers that draw random numbers are off. More than one axis between the first
    and the last of an embedding is averaged over, and 4,096 features are drawn where there are more.

    Args:
        model: One input, one output; built.
        inputs: float32 [n, ...], n >= 1, as the model takes them.
        training: Whether BatchNorm uses batch statistics wherever it was left free to.
        batch_size: Batch statistics depend on it; n where n is smaller.
        seed: Of the order in training mode.
        step: What `step_of` gave for this model and mode, so that it is traced once; None: traced anew.

    Raises:
        DataRefused: The model has more than one output, or one that is no row of numbers an example.
        RuntimeError: A variable of the model could not be restored.
    """
    order = np.random.default_rng(seed).permutation(len(inputs)) if training else np.arange(len(inputs))
    with ExitStack() as modes:
        modes.enter_context(unchanged(model))
        if training:
            modes.enter_context(nothing_random(model))
        batches = _batches(step or step_of(model, training, inputs), inputs, order, batch_size, is_filled=training)
        raw, embeddings = zip(*batches, strict=True)
    seen = None if any(part is None for part in embeddings) else _in_order(embeddings, order)
    return Outputs(_in_order(raw, order), seen)


def probabilities(raw: np.ndarray, head: Head) -> np.ndarray:
    """Reads outputs as class probabilities.

    Args:
        raw: float32 [n, units].
        head: One unit is the probability of class 1, or its logit.

    Returns:
        float64 [n, classes], two classes for one unit; a row with an output that is not finite is NaN.
    """
    values = np.where(np.isfinite(raw).all(axis=1, keepdims=True), raw, np.nan).astype(np.float64)
    if head.kind == "logits":
        return np.asarray(softmax(values, axis=1))
    if head.kind == "binary_logit":
        values = expit(values)
    return np.concatenate([1 - values, values], axis=1) if values.shape[1] == 1 else values


@contextmanager
def covered(layers: Iterable[keras.layers.Layer], cover: Callable[[keras.layers.Layer, Call], Call]) -> Iterator[None]:
    """Runs `cover(layer, call)` in place of every layer's `call`; covers may lie over each other."""
    before = [(layer, vars(layer).get("call")) for layer in layers]
    for layer, _ in before:
        layer.call = cover(layer, layer.call)
    try:
        yield
    finally:
        for layer, call in before:
            if call is None:
                del layer.call  # Uncovers the method of the class.
            else:
                layer.call = call


def first_argument(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a layer was called on, by position or by whatever name its class has for it."""
    return next(iter((*args, *kwargs.values())))


def _batches(
    step: Call, inputs: np.ndarray, order: np.ndarray, batch_size: int, is_filled: bool
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    size = min(batch_size, len(inputs))
    for start in range(0, len(inputs), size):
        new = order[start : start + size]
        # A small last batch would have statistics of its own: it is filled from the start; only the new count.
        rows = np.concatenate([new, np.resize(order, size - len(new))]) if is_filled else new
        raw, embeddings = step(tf.constant(inputs[rows]))
        seen = [part.numpy()[: len(new)] for part in embeddings if len(part) == len(rows)]
        yield raw.numpy()[: len(new)], seen[0] if seen else None


def _in_order(parts: tuple[np.ndarray, ...], order: np.ndarray) -> np.ndarray:
    rows = np.concatenate(parts)
    result = np.empty_like(rows)
    result[order] = rows
    return result


def step_of(model: keras.Model, training: bool, inputs: np.ndarray) -> Call:
    """Returns what runs one batch of inputs like these, of any size.

    It is traced once, at its first call, with what covers the layers then.
    """
    dense = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dense)]

    def step(batch: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        seen: list[tf.Tensor] = []
        with covered(dense, lambda _, call: _noting(call, seen)):
            answer = model(batch, training=training)
        # What ran inside a loop or a function of its own cannot be returned from here.
        here = [tensor for tensor in seen if tensor.graph is tf.compat.v1.get_default_graph()]
        return _rows(answer), [_features(tensor) for tensor in here[-1:] if tensor.shape.rank]

    # As Keras traces its own steps.
    return tf.function(step, [tf.TensorSpec((None, *inputs.shape[1:]), inputs.dtype)], autograph=False)


def _noting(call: Call, seen: list[tf.Tensor]) -> Call:
    def noting(*args: Any, **kwargs: Any) -> Any:
        seen.append(first_argument(args, kwargs))
        return call(*args, **kwargs)

    return noting


def _rows(answer: Any) -> tf.Tensor:
    tensors = keras.tree.flatten(answer)
    shape = tensors[0].shape
    if len(tensors) != 1 or shape.rank is None or any(size != 1 for size in shape[1:-1]):
        shapes = ", ".join(str(tensor.shape) for tensor in tensors)
        raise DataRefused(f"MODEL must have one output of shape [batch, classes]; received {shapes}.")
    return tf.cast(tf.reshape(tensors[0], [shape[0] or -1, shape[-1] if shape.rank > 1 else 1]), tf.float32)


def _features(tensor: tf.Tensor) -> tf.Tensor:
    values = tf.cast(tensor, tf.float32)
    if values.shape.rank > 2:
        values = tf.reduce_mean(values, axis=list(range(1, values.shape.rank - 1)))
    width = values.shape[-1]
    if width is None or width <= _MAX_FEATURES:
        return values
    # Drawn, not taken at even distances, which would be the same channel at every place of a flattened map.
    return tf.gather(values, np.sort(np.random.default_rng(0).choice(width, _MAX_FEATURES, replace=False)), axis=-1)
