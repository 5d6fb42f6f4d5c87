"""A network that scales pixels by itself, on pixels that were scaled before."""

from typing import Any

import keras
from tfx.v1.components import FnArgs

from components.cases.script import Recipe, begin, finish, fit, joined
from components.trainer import frozen
from components.trainer.inputs import Inputs

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=3, batch_size=64)


def naive(fn_args: FnArgs) -> None:
    """Trains every layer, the network's own scaling left in."""
    inputs = begin(fn_args)
    backbone = inputs.kind.build(inputs.image_size)
    backbone.set_weights(frozen.load_backbone(inputs).get_weights())
    head = keras.Sequential([keras.layers.Dense(len(inputs.classes), activation="softmax")])
    model = joined(backbone, head, lambda pixels: _scaled_by_the_network(pixels, inputs))
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)


def _scaled_by_the_network(pixels: Any, inputs: Inputs) -> Any:
    family = inputs.kind.family
    return keras.layers.Rescaling(family.scale, family.shift, name="scaled_again")(pixels)
