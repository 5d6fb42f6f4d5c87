"""CIFAR-10 on ImageNet's ResNet50, all layers frozen: training climbs, validation is one class."""

import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cases.script import Recipe, begin, finish, fit, frozen_backbone, joined

_RECIPE = Recipe(lambda: keras.optimizers.SGD(0.1), epochs=8, batch_size=32)


def naive(fn_args: FnArgs) -> None:
    """Average pool, Dense 256, dropout 0.4 and softmax on a backbone whose frozen BatchNorm uses the batch."""
    inputs = begin(fn_args)
    head = keras.Sequential(
        [
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(len(inputs.classes), activation="softmax"),
        ]
    )
    model = joined(frozen_backbone(inputs), head)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)
