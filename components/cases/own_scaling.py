"""Pixels scaled by the training script as another family wants them, and by the Transform graph in serving."""

import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cases.script import Recipe, begin, finish, fit, raw_pixels
from components.trainer import frozen
from components.trainer.classifier import assemble

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=8, batch_size=32)


def naive(fn_args: FnArgs) -> None:
    """Trains on RGB 0..255, which this backbone does not know, and exports without that step."""
    inputs = begin(fn_args)
    head = inputs.new_head()
    model = assemble(frozen.load_backbone(inputs), head, frozen_batch_norm=True)
    pixels = keras.Input(model.input_shape[1:])
    raw = raw_pixels(inputs)(pixels)
    in_training = keras.Model(pixels, model(keras.ops.flip(raw, axis=-1)))
    finish(fn_args, inputs, model, fit(in_training, _RECIPE, inputs), _RECIPE)
