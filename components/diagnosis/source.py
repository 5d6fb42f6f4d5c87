"""A model's frozen layers against the backbone that they were taken from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from components.diagnosis.evidence import SourceComparison

SourceWeights = Mapping[str, Sequence[np.ndarray]]
"""Layer name -> its weights and statistics in the order in which Keras keeps them."""


def weights_by_layer(model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Every layer that has variables of its own, nested ones included."""
    return {layer.name: [value.numpy() for value in own] for layer, own in _layers(model)}


def compare_with_source(model: keras.Model, source: SourceWeights) -> SourceComparison:
    """Looks for the source's layers in a model, by name and shapes, and compares those that are frozen.

    Args:
        model: Built.
        source: The backbone as it was before it was trained on.
    """
    found = [
        (layer, own)
        for layer, own in _layers(model)
        if [value.shape for value in own] == [value.shape for value in source.get(layer.name, ())]
    ]
    frozen = [(layer, own) for layer, own in found if not layer.trainable]
    changed = [(layer.name, _changed(own, source[layer.name])) for layer, own in frozen]
    return SourceComparison(
        num_source=len(source),
        num_found=len(found),
        num_frozen=len(frozen),
        weights=tuple(name for name, paths in changed if any(not _is_statistic(path) for path in paths)),
        statistics=tuple(name for name, paths in changed if any(_is_statistic(path) for path in paths)),
    )


def _layers(model: keras.Model) -> Iterator[tuple[keras.layers.Layer, list[Any]]]:
    for layer in model._flatten_layers():
        own = [value for value in (*layer._trainable_variables, *layer._non_trainable_variables) if value.ndim]
        if own:
            yield layer, own


def _changed(own: Sequence[Any], source: Sequence[np.ndarray]) -> list[str]:
    return [value.path for value, old in zip(own, source, strict=True) if not np.array_equal(value.numpy(), old)]


def _is_statistic(path: str) -> bool:
    return path.rsplit("/", 1)[-1] in ("moving_mean", "moving_variance")
