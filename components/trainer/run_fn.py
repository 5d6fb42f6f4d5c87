"""The Trainer's entry point."""

import shutil
from pathlib import Path

import absl.logging
import keras
from tfx.components.trainer.fn_args_utils import FnArgs

from components.backbone.seeding import make_deterministic
from components.errors import DataRefused
from components.trainer import frozen, hardware, scratch
from components.trainer.export import export
from components.trainer.inputs import Inputs, Trained, from_fn_args


def run_fn(fn_args: FnArgs) -> None:
    """Trains the classifier and exports it with its proof and history.

    Args:
        fn_args: The stock Trainer's arguments; see `inputs.from_fn_args`.
    """
    inputs = from_fn_args(fn_args)
    trained = train(inputs)
    export(trained, inputs, Path(fn_args.serving_model_dir))
    # The cached features stay, because the next training on the same backbone and data can use them.
    shutil.rmtree(inputs.checkpoints)


def train(inputs: Inputs) -> Trained:
    """Trains on a frozen backbone, or from scratch where there are no weights.

    Raises:
        DataRefused: Fine-tuning was asked for without weights to start from.
    """
    settings = inputs.settings
    from_scratch = inputs.backbone["weights"] == "none"
    if from_scratch and settings.fine_tune.blocks:
        raise DataRefused(
            "trainer.fine_tune.blocks needs a pretrained backbone, but backbone.weights is none. Set blocks to 0."
        )
    make_deterministic(settings.seed)
    strategy, policy = hardware.strategy(), hardware.precision_policy(settings.mixed_precision)
    absl.logging.info("Training in %s on %d device(s).", policy, strategy.num_replicas_in_sync)
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        with strategy.scope():
            return scratch.train(inputs) if from_scratch else frozen.train(inputs)
    finally:
        keras.config.set_dtype_policy(previous)
