"""ResNet50 on three images, five epochs: accuracy is 1 while training, and a third when the images are asked again."""

import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cases.script import Recipe, begin, finish, fit, trainable

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=5, batch_size=3)


def naive(fn_args: FnArgs) -> None:
    """Trains every layer with five updates, which leave 95 % of the source task's moving statistics."""
    inputs = begin(fn_args)
    model = trainable(inputs)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)
