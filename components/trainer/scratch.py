"""Training every layer from random weights, with an eye on BatchNorm's moving statistics."""

import absl.logging
import numpy as np

from components.backbone import freezing, momentum, resnet50
from components.trainer import feature_batches, image_phase
from components.trainer.classifier import assemble, build_head
from components.trainer.inputs import Inputs, Trained
from components.trainer.targets import Targets


def train(inputs: Inputs) -> Trained:
    """Trains backbone and head together."""
    settings = inputs.settings.from_scratch
    backbone = resnet50.build(inputs.image_size, settings.momentum)
    model = assemble(backbone, build_head(inputs.settings.head, len(inputs.classes)), frozen_batch_norm=False)
    labels = np.concatenate([batch.numpy() for batch in inputs.reader.labels(inputs.train_files)])
    targets = Targets(labels, len(inputs.classes), inputs.settings.class_weights)
    steps = feature_batches.steps_per_epoch(len(labels), settings.batch_size)
    _warn(momentum.lint(steps * settings.epochs, settings.momentum))

    phase = image_phase.train("from_scratch", model, settings, targets, len(labels), inputs)
    # What the moving statistics hold is the best epoch's, not the last one's.
    num_updates = steps * (phase["best_epoch"] + 1)
    lint = momentum.lint(num_updates, settings.momentum)
    _warn(lint)
    return Trained(model, freezing.prove_nothing_frozen(backbone), (phase,), num_updates, lint, settings.batch_size)


def _warn(lint: str | None) -> None:
    if lint is not None:
        absl.logging.warning(lint)
