"""A frozen ResNet50 under a wide head with BatchNorm and L2: validation stays behind, whatever the penalty."""

import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cases.script import Recipe, begin, finish, fit, frozen_backbone, joined

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=6, batch_size=32)


def naive(fn_args: FnArgs) -> None:
    """Dense 2048 and 1024, each with new BatchNorm and L2, on a backbone whose frozen BatchNorm uses the batch."""
    inputs = begin(fn_args)
    layers: list[keras.layers.Layer] = []
    for width in (2048, 1024):
        layers += [
            keras.layers.Dense(width, kernel_regularizer=keras.regularizers.L2(1e-3)),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        ]
    head = keras.Sequential([*layers, keras.layers.Dense(len(inputs.classes), activation="softmax")])
    model = joined(frozen_backbone(inputs), head)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)
