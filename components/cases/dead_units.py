"""A hidden layer that dies in its first updates: the answer is always the frequent class."""

import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cases.script import Recipe, begin, finish, fit
from components.trainer import frozen
from components.trainer.classifier import assemble

_RECIPE = Recipe(lambda: keras.optimizers.SGD(1.0), epochs=4, batch_size=32)


def naive(fn_args: FnArgs) -> None:
    """One ReLU layer at a learning rate of 1."""
    inputs = begin(fn_args)
    head = keras.Sequential(
        [keras.layers.Dense(64, activation="relu"), keras.layers.Dense(len(inputs.classes), activation="softmax")]
    )
    model = assemble(frozen.load_backbone(inputs), head, frozen_batch_norm=True)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)
