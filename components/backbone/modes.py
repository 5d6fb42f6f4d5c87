"""Calling a model in training mode without training it."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


def fingerprint(variables: Iterable[Any]) -> str:
    """Returns the hex sha256 over the variables' names, shapes, dtypes and values, in order."""
    digest = hashlib.sha256()
    for variable in variables:
        value = np.ascontiguousarray(variable.numpy())
        digest.update(f"{stable_name(variable)}:{value.shape}:{value.dtype.str}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def stable_name(variable: Any) -> str:
    """Returns the variable's path without the running number that Keras gives to variables that have no name."""
    return re.sub(r"/variable(_\d+)?$", "/variable", variable.path)


@contextmanager
def unchanged(model: keras.Model) -> Iterator[None]:
    """Restores every variable at the end of the context.

    Raises:
        RuntimeError: A variable could not be restored.
    """
    values = [variable.numpy().copy() for variable in model.variables]
    try:
        yield
    finally:
        for variable, value in zip(model.variables, values, strict=True):
            # Most variables were never changed, and writing all of them takes as long as a batch.
            if not _same(variable, value):
                variable.assign(value)
                if not _same(variable, value):
                    raise RuntimeError(f"{variable.path} could not be put back after the model was run.")


def _same(variable: Any, value: np.ndarray) -> bool:
    return np.array_equal(variable.numpy(), value, equal_nan=True)


@contextmanager
def nothing_random(model: keras.Model) -> Iterator[None]:
    """Runs every layer that draws random numbers (dropout, noise, augmentation) in inference mode.

    Then only BatchNorm makes a difference between training mode and inference mode.
    """
    layers = [layer for layer in model._flatten_layers() if _draws(layer) and not _has_batch_norm(layer)]
    for layer in layers:
        layer.call = _in_inference_mode(layer.call)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call  # The method of the class comes back.


def _draws(layer: keras.layers.Layer) -> bool:
    return any(isinstance(value, keras.random.SeedGenerator) for value in vars(layer).values())


def _has_batch_norm(layer: keras.layers.Layer) -> bool:
    return any(isinstance(inner, keras.layers.BatchNormalization) for inner in layer._flatten_layers())


def _in_inference_mode(call: Callable[..., Any]) -> Callable[..., Any]:
    def quiet(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **{**kwargs, "training": False})

    return quiet
