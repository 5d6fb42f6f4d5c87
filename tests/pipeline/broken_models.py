"""Trainers that go wrong on purpose; named in `trainer.run_fn` by the tests."""

from pathlib import Path

import keras
import numpy as np
from tfx.components.trainer.fn_args_utils import FnArgs

from components.trainer.export import export
from components.trainer.inputs import from_fn_args
from components.trainer.run_fn import train


def constant(fn_args: FnArgs) -> None:
    """Predicts the first class, whatever it is shown."""
    inputs = from_fn_args(fn_args)
    trained = train(inputs)
    kernel, bias = _last_layer(trained.model).get_weights()
    _last_layer(trained.model).set_weights([0 * kernel, np.array([9] + [0] * (len(bias) - 1), np.float32)])
    export(trained, inputs, Path(fn_args.serving_model_dir))


def not_a_number(fn_args: FnArgs) -> None:
    """Puts out NaN."""
    inputs = from_fn_args(fn_args)
    trained = train(inputs)
    kernel, bias = _last_layer(trained.model).get_weights()
    _last_layer(trained.model).set_weights([np.nan * kernel, 0 * bias])
    export(trained, inputs, Path(fn_args.serving_model_dir))


def _last_layer(model: keras.Model) -> keras.layers.Layer:
    return model.get_layer("head").layers[-1]
