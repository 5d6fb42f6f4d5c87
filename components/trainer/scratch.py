"""Trains every layer, and warns where BatchNorm's moving statistics get too few updates."""

import absl.logging
import numpy as np

from components.backbone import freezing, momentum
from components.trainer import feature_batches, image_phase, start
from components.trainer.classifier import assemble
from components.trainer.inputs import Inputs, Trained
from components.trainer.targets import Targets


def train(inputs: Inputs) -> Trained:
    """Trains backbone and head together."""
    settings = inputs.settings.from_scratch
    backbone = inputs.kind.build(inputs.image_size, settings.momentum)
    head = inputs.new_head()
    if inputs.starts_warm:
        start.load_whole(inputs.weights_dir, backbone)
        start.load_head(inputs.weights_dir, head)
    model = assemble(backbone, head, frozen_batch_norm=False)
    labels = np.concatenate([batch.numpy() for batch in inputs.reader.labels(inputs.train_files)])
    targets = Targets(labels, len(inputs.classes), inputs.settings.class_weights)
    steps = feature_batches.steps_per_epoch(len(labels), settings.batch_size)
    # A warm start goes on with the earlier model's moving statistics, so the updates of that model count, too.
    earlier_updates = inputs.start.num_updates if inputs.start else 0

    def lint(num_updates: int) -> str | None:
        return momentum.lint(num_updates, settings.momentum) if inputs.kind.has_batch_norm else None

    _warn(lint(earlier_updates + steps * settings.epochs))

    phase = image_phase.train("from_scratch", model, settings, targets, len(labels), inputs)
    # The model has the moving statistics of the best epoch, not of the last one.
    num_updates = earlier_updates + steps * (phase["best_epoch"] + 1)
    warning = lint(num_updates)
    _warn(warning)
    return Trained(model, freezing.prove_nothing_frozen(backbone), (phase,), num_updates, warning, settings.batch_size)


def _warn(warning: str | None) -> None:
    if warning is not None:
        absl.logging.warning(warning)
