"""ResNet50 on three images, five epochs: perfect while training, one in three when asked again."""

import keras
import numpy as np
from tfx.v1.components import FnArgs

from components.cases.few_updates import from_scratch
from components.cases.script import Recipe, begin, finish, fit
from components.diagnosis.batch_norm import reestimated

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=5, batch_size=3)


def naive(fn_args: FnArgs) -> None:
    """Five updates leave 95 % of the statistics that a new network starts with."""
    inputs = begin(fn_args)
    model = from_scratch(inputs)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)


def low_momentum(fn_args: FnArgs) -> None:
    """Momentum 0.01: the moving statistics are those of the last batch."""
    inputs = begin(fn_args)
    model = from_scratch(inputs, momentum=0.01)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)


def repaired(fn_args: FnArgs) -> None:
    """Keras' momentum, and then the moving statistics are re-estimated."""
    inputs = begin(fn_args)
    model = from_scratch(inputs)
    phase = fit(model, _RECIPE, inputs)
    pixels = np.concatenate([part.numpy() for part, _ in inputs.reader.batches(inputs.train_files, 3)])
    with reestimated(model, pixels, _RECIPE.batch_size):
        finish(fn_args, inputs, model, phase, _RECIPE)
