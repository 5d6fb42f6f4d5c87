"""What a classifier's output and its loss are, read from the model without running it."""

import functools
import inspect
from dataclasses import dataclass
from typing import Any, Final

import keras
import tensorflow as tf

from components.diagnosis.evidence import Head

_ACTIVATIONS: Final = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "Relu": "relu",
    "Relu6": "relu6",
    "Tanh": "tanh",
    **dict.fromkeys(("MatMul", "BatchMatMulV2", "Einsum", "Conv2D", "BiasAdd", "AddV2"), "linear"),
}
# Averages over places stay probabilities, or logits, or whatever they were.
_TRANSPARENT: Final = frozenset({"Identity", "Cast", "Reshape", "Squeeze", "ExpandDims", "Mean", "StopGradient"})
_CALLS: Final = frozenset({"PartitionedCall", "StatefulPartitionedCall"})

_BINARY: Final = frozenset({"binary_crossentropy", "binary_focal_crossentropy"})
_CATEGORICAL: Final = frozenset(
    {"categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy"}
)
_REGRESSION: Final = frozenset({"mean_squared_error", "mean_absolute_error"})


@dataclass(frozen=True)
class _Loss:
    name: str
    from_logits: bool | None
    """None where the loss does not say."""

    def __str__(self) -> str:
        return f"{self.name}(from_logits=True)" if self.from_logits else self.name


def look(model: keras.Model, num_classes: int | None = None, loss_name: str | None = None) -> Head:
    """Reads the output's activation off the graph, so that it may come from any layer, operation or SavedModel.

    A problem is a pair that does not belong together. Not each does harm everywhere: Keras 3 on TensorFlow computes
    its crossentropies from what a softmax or sigmoid at the very end was given, so that `from_logits=True` after it,
    binary crossentropy of a softmax and categorical crossentropy of sigmoids still train a classifier.

    Args:
        model: Any kind of Keras model; `unknown` where it is not built, or has more than one input or output.
        num_classes: That the labels have; None where that is not known.
        loss_name: What it was trained with; None: what the model was compiled with.

    Returns:
        `unknown` also for one linear unit that the loss takes for the label itself, and for other activations.
    """
    units, activation = _output(model)
    loss = _read_loss(loss_name or getattr(model, "loss", None))
    return Head(
        kind=_kind(units, activation, loss),
        units=units,
        activation=activation,
        loss=None if loss is None else str(loss),
        problems=tuple(_problems(units, activation, loss, num_classes)),
    )


def _kind(units: int | None, activation: str | None, loss: _Loss | None) -> str:
    if activation == "softmax":
        return "softmax"
    if activation == "sigmoid":
        return "sigmoid" if units == 1 else "multilabel_sigmoid"
    if activation == "linear" and units == 1:
        is_label = loss is not None and (loss.from_logits is False or loss.name in _REGRESSION)
        return "unknown" if is_label else "binary_logit"
    return "logits" if activation in ("linear", "log_softmax") else "unknown"


def _problems(units: int | None, activation: str | None, loss: _Loss | None, num_classes: int | None) -> list[str]:
    name, from_logits = (loss.name, loss.from_logits) if loss else ("", None)
    is_one, is_probability = units == 1, activation in ("softmax", "sigmoid")
    fits = num_classes is None or units is None or units == num_classes or (is_one and num_classes == 2)
    found = (
        (activation == "softmax" and is_one, "softmax over 1 unit is 1 whatever the input"),
        (name in _CATEGORICAL and is_one, f"{name} of 1 unit has nothing to choose between"),
        (
            name in _BINARY and activation == "softmax" and not is_one,
            f"{name} judges each of {units} softmax outputs by itself",
        ),
        (is_probability and from_logits is True, f"{name} takes the {activation} output for logits"),
        (
            activation in ("linear", "log_softmax") and from_logits is False,
            f"{name} takes the {activation} output for probabilities",
        ),
        (
            name in _CATEGORICAL and activation == "sigmoid" and (units or 0) > 2,
            f"{name} needs outputs that sum to 1, and {units} sigmoids do not",
        ),
        (activation in ("relu", "relu6"), f"{activation} on the output cannot fall below 0"),
        (not fits, f"{units} outputs are given for {num_classes} classes"),
    )
    return [clause for is_so, clause in found if is_so]


def _read_loss(given: Any) -> _Loss | None:
    losses = keras.tree.flatten(given)
    if len(losses) != 1 or losses[0] is None:
        return None
    try:
        loss = keras.losses.get(losses[0])
    except ValueError:
        return _Loss(str(losses[0]), None)
    return _of_function(getattr(loss, "fn", loss), getattr(loss, "_fn_kwargs", {}))


def _of_function(function: Any, given: dict[str, Any]) -> _Loss:
    if isinstance(function, functools.partial):
        return _of_function(function.func, {**function.keywords, **given})
    name = getattr(function, "__name__", None) or getattr(function, "name", None) or type(function).__name__
    if "from_logits" in given:
        return _Loss(name, bool(given["from_logits"]))
    default = inspect.signature(function).parameters.get("from_logits")
    said = getattr(function, "from_logits", default and default.default)
    return _Loss(name, said if isinstance(said, bool) else None)


def _output(model: keras.Model) -> tuple[int | None, str | None]:
    """Number of outputs and activation."""
    given = _input(model)
    if given is None:
        return None, None
    step = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
    traced = step.get_concrete_function(given)
    shapes = [tensor.shape for tensor in traced.outputs]
    if len(shapes) != 1 or not shapes[0].rank:
        return None, None
    return shapes[0][-1] if shapes[0].rank > 1 else 1, _ACTIVATIONS.get(_last_operation(traced))


def _input(model: keras.Model) -> tf.TensorSpec | None:
    """What the model takes; None where it takes several things or nobody knows."""
    if not model.built:
        return None
    inputs = getattr(model, "inputs", None)
    if inputs:
        return tf.TensorSpec(inputs[0].shape, inputs[0].dtype) if len(inputs) == 1 else None
    shape = (model.get_build_config() or {}).get("input_shape")
    if not isinstance(shape, (tuple, list)) or not all(size is None or isinstance(size, int) for size in shape):
        return None
    return tf.TensorSpec((None, *shape[1:]), tf.float32)


def _last_operation(traced: Any) -> str:
    """The operation that makes the output, looked for inside the functions that the graph calls."""
    library = {function.signature.name: function for function in traced.graph.as_graph_def().library.function}
    function, place = traced.function_def, 0
    tensor = function.ret[function.signature.output_arg[place].name]
    while True:
        node = next((node for node in function.node_def if node.name == tensor.split(":")[0]), None)
        if node is None:
            return "an argument"
        if node.op in _CALLS:
            function, place = library[node.attr["f"].func.name], int(tensor.split(":")[-1])
            tensor = function.ret[function.signature.output_arg[place].name]
        elif node.op in _TRANSPARENT:
            tensor = node.input[0]
        else:
            return node.op
