"""ResNet50 on three images, five epochs: perfect while training, one in three when asked again."""

import keras
from tfx.v1.components import FnArgs

from components.cases.script import Recipe, begin, finish, fit, trainable

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=5, batch_size=3)


def naive(fn_args: FnArgs) -> None:
    """Five updates leave 95 % of the statistics of the source task."""
    inputs = begin(fn_args)
    model = trainable(inputs)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)
