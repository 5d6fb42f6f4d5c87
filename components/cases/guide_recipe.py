"""Keras' well-known recipe for fine-tuning, on Keras 3: unfreezing puts BatchNorm on batch statistics."""

import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components.backbone import freezing, modes
from components.cases.script import Recipe, begin, finish, fit
from components.trainer import frozen
from components.trainer.classifier import assemble

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=4, batch_size=64)


def naive(fn_args: FnArgs) -> None:
    """Calls the frozen backbone with `training=False`, then unfreezes it and compiles again."""
    inputs = begin(fn_args)
    backbone = frozen.load_backbone(inputs)
    before, variables = modes.fingerprint(backbone.weights), list(backbone.weights)
    model = assemble(backbone, inputs.new_head(), frozen_batch_norm=True)
    backbone.trainable = True
    phase = fit(model, _RECIPE, inputs)
    difference = freezing.mode_difference(model, frozen.some_pixels(inputs))
    proof = freezing.prove(backbone, 0, before, variables, difference)
    finish(fn_args, inputs, model, phase, _RECIPE, proof)
