"""ResNet50 on three images, five epochs: perfect while training, one in three when asked again."""

import keras
from tfx.v1.components import FnArgs

from components.cases.script import Recipe, begin, finish, fit, joined
from components.trainer import frozen
from components.trainer.inputs import Inputs

_RECIPE = Recipe(lambda: keras.optimizers.Adam(1e-3), epochs=5, batch_size=3)


def naive(fn_args: FnArgs) -> None:
    """Five updates leave 95 % of the statistics of the source task."""
    inputs = begin(fn_args)
    model = _trainable(inputs)
    finish(fn_args, inputs, model, fit(model, _RECIPE, inputs), _RECIPE)


def _trainable(inputs: Inputs) -> keras.Model:
    """The pretrained backbone with every layer trainable, and a softmax."""
    backbone = inputs.kind.build(inputs.image_size)
    backbone.set_weights(frozen.load_backbone(inputs).get_weights())
    head = keras.Sequential([keras.layers.Dense(len(inputs.classes), activation="softmax")])
    return joined(backbone, head)
