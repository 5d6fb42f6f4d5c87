"""Trainers that go wrong on purpose; named in `trainer.run_fn` by the tests."""

from pathlib import Path

import keras
import numpy as np
from tfx.v1.components import FnArgs

from components.backbone import freezing, modes
from components.trainer import frozen, image_phase
from components.trainer.classifier import assemble, build_head
from components.trainer.export import export
from components.trainer.inputs import Inputs, Trained, from_fn_args
from components.trainer.run_fn import train
from components.trainer.settings import FineTuneSettings
from components.trainer.targets import Targets


def batch_statistics(fn_args: FnArgs) -> None:
    """The well-known recipe: call the frozen backbone with `training=False`, then unfreeze it and recompile."""
    inputs = from_fn_args(fn_args)
    export(_unfrozen(inputs), inputs, Path(fn_args.serving_model_dir))


def constant(fn_args: FnArgs) -> None:
    """Predicts the first class, whatever it is shown."""
    inputs = from_fn_args(fn_args)
    trained = train(inputs)
    _last_layer(trained.model).set_weights([np.zeros((2048, 5), np.float32), np.array([9, 0, 0, 0, 0], np.float32)])
    export(trained, inputs, Path(fn_args.serving_model_dir))


def not_a_number(fn_args: FnArgs) -> None:
    """Puts out NaN."""
    inputs = from_fn_args(fn_args)
    trained = train(inputs)
    _last_layer(trained.model).set_weights([np.full((2048, 5), np.nan, np.float32), np.zeros(5, np.float32)])
    export(trained, inputs, Path(fn_args.serving_model_dir))


def _last_layer(model: keras.Model) -> keras.layers.Layer:
    return model.get_layer("head").layers[-1]


def _unfrozen(inputs: Inputs) -> Trained:
    keras.utils.set_random_seed(inputs.settings.seed)
    backbone = frozen.load_backbone(inputs)
    before, variables = modes.fingerprint(backbone.variables), list(backbone.variables)
    model = assemble(backbone, build_head(inputs.settings.head, len(inputs.classes)), frozen_batch_norm=True)
    backbone.trainable = True
    labels = np.concatenate([batch.numpy() for batch in inputs.reader.labels(inputs.train_files)])
    recipe = FineTuneSettings(epochs=4, learning_rate=1e-3, patience=4, batch_size=64)
    targets = Targets(labels, len(inputs.classes), "none")
    phase = image_phase.train("fine_tune", model, recipe, targets, len(labels), inputs)
    difference = freezing.mode_difference(model, frozen.some_pixels(inputs))
    proof = freezing.prove(backbone, 0, before, variables, difference)
    return Trained(model, proof, (phase,), len(phase["epochs"]) * 10, None, recipe.batch_size)
