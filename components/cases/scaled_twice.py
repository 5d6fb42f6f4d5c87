"""A network that scales pixels by itself, on pixels that were scaled before."""

import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cases.script import Recipe, begin, finish, fit, trainable

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=3, batch_size=64)


def naive(fn_args: FnArgs) -> None:
    """Trains every layer, the network's own scaling left in."""
    inputs = begin(fn_args)
    family = inputs.kind.family
    model = trainable(inputs, keras.layers.Rescaling(family.scale, family.shift, name="scaled_again"))
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)
