"""Walking through a model's layers."""

from collections.abc import Iterator

import keras


def batch_norm_layers(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    """Yields every BatchNormalization layer of a model, nested ones included."""
    yield from (layer for layer in flatten(model) if isinstance(layer, keras.layers.BatchNormalization))


def flatten(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields a layer and all layers inside it, depth first, each once."""
    seen: set[int] = set()
    stack = [layer]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        stack.extend(reversed(getattr(current, "layers", [])))
