"""What the scripts of the cases' authors share: arrays in memory, `fit`, the last epoch's weights, and an export."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from tfx.components.trainer.fn_args_utils import FnArgs

from components.backbone import freezing, kinds, modes
from components.backbone.seeding import make_deterministic
from components.cases.old_keras import use_batch_statistics
from components.trainer import frozen
from components.trainer.export import export
from components.trainer.inputs import Inputs, Trained, from_fn_args

# So many training images are scored after each epoch, which is enough for a curve.
_NUM_CURVE_IMAGES: Final = 300

Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How an author trained."""

    optimizer: Callable[[], keras.optimizers.Optimizer]
    epochs: int
    batch_size: int
    loss: str = "categorical_crossentropy"
    draw: Callable[[Arrays, int], Arrays] = lambda arrays, epoch: arrays
    """Takes the training split and the epoch; returns what the author trains on."""
    draw_validation: Callable[[Arrays, int], Arrays] = lambda arrays, epoch: arrays
    """Takes the images that the author keeps apart and the epoch; returns what the author validates on."""


def begin(fn_args: FnArgs) -> Inputs:
    """Resolves the Trainer's arguments and seeds everything."""
    inputs = from_fn_args(fn_args)
    make_deterministic(inputs.settings.seed)
    return inputs


def frozen_backbone(inputs: Inputs) -> keras.Model:
    """Returns the pretrained backbone with every layer frozen, its BatchNorm on batch statistics as in old Keras."""
    backbone = frozen.load_backbone(inputs)
    use_batch_statistics(backbone)
    return backbone


def joined(
    backbone: keras.Model, head: keras.Model, before: Callable[[Any], Any] = lambda pixels: pixels
) -> keras.Model:
    """Joins backbone and head to one model, which passes its own mode on to both.

    Args:
        backbone: A model from its input to features.
        head: A model from features to probabilities.
        before: What the author does with the Transform graph's pixels, as Keras layers.

    Returns:
        A model from pixels float32 [batch, size, size, 3] to probabilities float32 [batch, num_classes].
    """
    pixels = keras.Input(backbone.input_shape[1:], name="pixels")
    return keras.Model(pixels, head(backbone(before(pixels))), name="classifier")


def trainable(inputs: Inputs, before: Callable[[Any], Any] = lambda pixels: pixels) -> keras.Model:
    """Returns the pretrained backbone with every layer trainable, under a softmax; `before` is that of `joined`."""
    backbone = inputs.kind.build(inputs.image_size)
    backbone.set_weights(frozen.load_backbone(inputs).get_weights())
    head = keras.Sequential([keras.layers.Dense(len(inputs.classes), activation="softmax")])
    return joined(backbone, head, before)


def raw_pixels(inputs: Inputs) -> keras.layers.Layer:
    """Returns a layer from the Transform graph's pixels back to 0..255, in the backbone's order of channels."""
    return keras.layers.Rescaling(*inputs.kind.family.inverse, name="raw_pixels")


def fit(model: keras.Model, recipe: Recipe, inputs: Inputs) -> dict[str, Any]:
    """Trains as a script does, and leaves the last epoch's weights.

    Returns:
        A phase of `history.json`; its `stop_` columns, where images were kept apart, are what the author saw of those.
    """
    train = _arrays(inputs, inputs.train_files)
    validation = _arrays(inputs, inputs.stop_files) if inputs.has_stop_images else None
    model.compile(recipe.optimizer(), recipe.loss, metrics=["accuracy"])
    rows = []
    for epoch in range(recipe.epochs):
        started = time.monotonic()
        history = model.fit(*recipe.draw(train, epoch), batch_size=recipe.batch_size, verbose=0).history
        seconds = time.monotonic() - started
        fit_scores = {name: values[0] for name, values in history.items()}
        train_scores = model.evaluate(*(part[:_NUM_CURVE_IMAGES] for part in train), verbose=0, return_dict=True)
        rows.append({"epoch": epoch, "seconds": seconds} | _named("", fit_scores) | _named("train_", train_scores))
        if validation:
            scores = model.evaluate(*recipe.draw_validation(validation, epoch), verbose=0, return_dict=True)
            rows[-1] |= _named("stop_", scores)
    return {"name": "script", "epochs": rows, "best_epoch": recipe.epochs - 1}


def finish(
    fn_args: FnArgs,
    inputs: Inputs,
    model: keras.Model,
    phase: dict[str, Any],
    recipe: Recipe,
    proof: freezing.FreezeProof | None = None,
) -> None:
    """Exports the trained model with a proof of what was in fact frozen."""
    num_images = sum(len(labels) for labels in inputs.reader.labels(inputs.train_files))
    trained = Trained(
        model=model,
        proof=proof or _proof(model, inputs),
        phases=(phase,),
        num_updates=recipe.epochs * -(-num_images // recipe.batch_size),
        momentum_lint=None,
        batch_size=recipe.batch_size,
        loss=recipe.loss,
    )
    export(trained, inputs, Path(fn_args.serving_model_dir))


def _proof(model: keras.Model, inputs: Inputs) -> freezing.FreezeProof:
    backbone = kinds.within(model)
    if backbone.trainable_weights:
        return freezing.prove_nothing_frozen(backbone)
    # The source weights are read again, because the script kept no fingerprint of them.
    source_fingerprint = modes.fingerprint(frozen.load_backbone(inputs).weights)
    difference = freezing.mode_difference(model, frozen.some_pixels(inputs))
    return freezing.prove(backbone, 0, source_fingerprint, backbone.weights, difference)


def _arrays(inputs: Inputs, files: tuple[str, ...]) -> Arrays:
    pixels, labels = zip(*inputs.reader.batches(files, 64), strict=True)
    one_hot = np.eye(len(inputs.classes), dtype=np.float32)
    return np.concatenate([part.numpy() for part in pixels]), one_hot[np.concatenate([part.numpy() for part in labels])]


def _named(prefix: str, scores: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}{name}": float(value) for name, value in scores.items()}
