"""Binary photographs on a frozen ResNet50, several mistakes at once: validation flips between the two classes."""

from typing import Any

import keras
import numpy as np
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cases.script import Arrays, Recipe, begin, finish, fit, frozen_backbone, joined, raw_pixels
from components.trainer.inputs import Inputs


def _with_replacement(arrays: Arrays, epoch: int) -> Arrays:
    rows = np.random.default_rng(epoch).integers(0, len(arrays[1]), len(arrays[1]))
    return arrays[0][rows], arrays[1][rows]


def _some_other_images(arrays: Arrays, epoch: int) -> Arrays:
    """Draws as a generator does that ignores which batch it was asked for and never gives the last, smaller one."""
    size = len(arrays[1]) // 32 * 32 or len(arrays[1])
    rows = np.random.default_rng(1_000 + epoch).integers(0, len(arrays[1]), size)
    return arrays[0][rows], arrays[1][rows]


_RECIPE = Recipe(
    lambda: keras.optimizers.Adam(1e-3),
    epochs=8,
    batch_size=32,
    loss="binary_crossentropy",
    draw=_with_replacement,
    draw_validation=_some_other_images,
)


def naive(fn_args: FnArgs) -> None:
    """Trains on images divided by their own maximum, with `Flatten` and binary cross-entropy of two softmax outputs."""
    inputs = begin(fn_args)
    head = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(len(inputs.classes), activation="softmax")])
    model = joined(frozen_backbone(inputs), head, lambda pixels: _by_own_maximum(pixels, inputs))
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)


def _by_own_maximum(pixels: Any, inputs: Inputs) -> Any:
    raw = raw_pixels(inputs)(pixels)
    return keras.ops.divide(raw, keras.ops.maximum(keras.ops.max(raw, axis=(1, 2, 3), keepdims=True), 1.0))
