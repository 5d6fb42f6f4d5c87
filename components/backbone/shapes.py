"""Finds the first layer of a weights file whose arrays do not have the network's shapes."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import keras

from components.foreign.archives import open_weights

Shapes = tuple[tuple[int, ...], ...]


def first_difference(network: keras.Model, path: str | os.PathLike[str]) -> str | None:
    """Names the first layer of a weights file that does not fit the network, as part of a sentence.

    Args:
        network: The network that the weights were meant for.
        path: A `.weights.h5`, `.h5` or `.keras` file that can be read.

    Returns:
        A clause about the layer; None where all shapes fit.

    Raises:
        OSError, KeyError, ValueError: The file is in none of these formats, or must not be read.
    """
    with open_weights(path) as file:
        group = file.get("model_weights", file)
        if "layer_names" in group.attrs:
            return _difference(_by_position(network), dict(enumerate(_legacy(group))))
        received = _tree(file)
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder, "own.weights.h5")
        network.save_weights(own)
        with open_weights(own) as saved:
            expected = _tree(saved)
    order = {layer.name: position for position, layer in enumerate(network.layers)}
    ordered = sorted(expected, key=lambda key: order.get(expected[key][0], len(order)))
    return _difference({key: expected[key] for key in ordered}, received)


def _difference(expected: Mapping[Any, tuple[str, Shapes]], received: Mapping[Any, tuple[str, Shapes]]) -> str | None:
    for key, (name, shapes) in expected.items():
        if key not in received:
            return f"it has no layer in the place of {name}, {_written(shapes)}"
        received_name, received_shapes = received[key]
        if received_shapes != shapes:
            return f"its layer {received_name} has {_written(received_shapes)} where {name} has {_written(shapes)}"
    # A network that scales pixels by itself has numbers for that, and a compiled one its optimizer's state.
    kernels = [key for key, (_, shapes) in received.items() if any(len(shape) > 1 for shape in shapes)]
    if surplus := [key for key in kernels if key not in expected and not str(key).startswith("optimizer/")]:
        name, shapes = received[surplus[0]]
        return f"it has a layer {name}, {_written(shapes)}, which the network has not"
    return None


def _tree(file: h5py.Group) -> dict[str, tuple[str, Shapes]]:
    """Returns the layers with weights of a file in Keras 3's format: place in the file -> name and shapes."""
    layers: dict[str, tuple[str, Shapes]] = {}

    def visit(place: str, entry: Any) -> None:
        if place.endswith("vars") and isinstance(entry, h5py.Group) and len(entry):
            arrays = [entry[key] for key in sorted(entry, key=int)]
            layers[place] = (str(entry.attrs.get("name", place)), tuple(array.shape for array in arrays))

    file.visititems(visit)
    return layers


def _by_position(network: keras.Model) -> dict[int, tuple[str, Shapes]]:
    weighted = [layer for layer in network.layers if layer.weights]
    return {
        position: (layer.name, tuple(tuple(weight.shape) for weight in _in_legacy_order(layer)))
        for position, layer in enumerate(weighted)
    }


def _in_legacy_order(layer: keras.layers.Layer) -> list[Any]:
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _legacy(group: Any) -> Iterator[tuple[str, Shapes]]:
    """Yields name and shapes of the layers with weights, in order, from the format that Keras had before Keras 3."""
    for name in _texts(group.attrs["layer_names"]):
        shapes = tuple(group[name][weight].shape for weight in _texts(group[name].attrs["weight_names"]))
        if shapes:
            yield name, shapes


def _texts(values: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _written(shapes: Shapes) -> str:
    return " and ".join("x".join(map(str, shape)) or "a number" for shape in shapes)
