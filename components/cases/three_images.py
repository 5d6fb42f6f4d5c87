"""ResNet50 on three images, five epochs: perfect while training, one in three when asked again."""

import keras
import numpy as np
from tfx.v1.components import FnArgs

from components.backbone import resnet50
from components.cases.script import Recipe, begin, finish, fit, joined
from components.diagnosis.batch_norm import reestimated
from components.trainer import frozen
from components.trainer.inputs import Inputs

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=5, batch_size=3)


def naive(fn_args: FnArgs) -> None:
    """Five updates leave 95 % of the statistics of the source task."""
    inputs = begin(fn_args)
    model = _trainable(inputs)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)


def low_momentum(fn_args: FnArgs) -> None:
    """Momentum 0.01: the moving statistics are those of the last batch."""
    inputs = begin(fn_args)
    model = _trainable(inputs, momentum=0.01)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)


def repaired(fn_args: FnArgs) -> None:
    """Keras' momentum, and then the moving statistics are re-estimated."""
    inputs = begin(fn_args)
    model = _trainable(inputs)
    phase = fit(model, _RECIPE, inputs)
    pixels = np.concatenate([part.numpy() for part, _ in inputs.reader.batches(inputs.train_files, 3)])
    with reestimated(model, pixels, _RECIPE.batch_size):
        finish(fn_args, inputs, model, phase, _RECIPE)


def _trainable(inputs: Inputs, momentum: float | None = None) -> keras.Model:
    """The pretrained backbone with every layer trainable, and a softmax."""
    backbone = resnet50.build(inputs.image_size, momentum)
    backbone.set_weights(frozen.load_backbone(inputs).get_weights())
    head = keras.Sequential([keras.layers.Dense(len(inputs.classes), activation="softmax")])
    return joined(backbone, head)
