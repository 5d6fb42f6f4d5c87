"""ResNet50 from scratch on raw pixels in big batches: too few updates for momentum 0.99."""

import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cases.script import Recipe, begin, finish, fit, joined, raw_pixels
from components.trainer.inputs import Inputs

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=7, batch_size=96)


def naive(fn_args: FnArgs) -> None:
    """Pixels 0..255, batch 96, seven epochs, Keras' momentum."""
    inputs = begin(fn_args)
    model = _from_scratch(inputs)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)


def _from_scratch(inputs: Inputs) -> keras.Model:
    """ResNet50 with random weights on raw pixels, and a softmax."""
    head = keras.Sequential([keras.layers.Dense(len(inputs.classes), activation="softmax")])
    return joined(inputs.kind.build(inputs.image_size), head, raw_pixels(inputs))
