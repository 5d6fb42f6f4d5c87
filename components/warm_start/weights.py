"""Reads the weights of a registered model, and nothing else of it, for the Trainer to start from."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from components.backbone import freezing, modes, weights
from components.backbone.kinds import KINDS
from components.trainer import start as starts
from components.trainer.classifier import assemble, build_head
from components.trainer.settings import TrainerSettings
from components.warm_start.decision import Kind, some


class Unfit(Exception):
    """A version's weights do not fit the training; the message says why, as part of a sentence."""


@dataclass(frozen=True)
class Taken:
    """The weights that a training starts from."""

    head: keras.Model
    backbone: keras.Model | None
    """None where it equals the source backbone."""
    fingerprint: str
    """Fingerprint of the weights of backbone and head."""

    def write(self, folder: Path) -> None:
        """Puts the weights where the Trainer looks for them."""
        self.head.save_weights(folder / starts.HEAD_FILE)
        if self.backbone is not None:
            self.backbone.save_weights(folder / starts.BACKBONE_FILE)


def take(keras_file: Path, source_file: Path | None, wanted: Kind, settings: TrainerSettings) -> Taken:
    """Reads a model's weights into layers of our own, so that nothing the file describes is ever built or run.

    Args:
        keras_file: The registered Keras file; its hash has been compared.
        source_file: The source backbone's weights; None for a training from scratch.
        wanted: The kind of the model, and of the training.
        settings: The Trainer's settings.

    Raises:
        Unfit: The weights have other shapes or are not finite, or a frozen layer's are not the source backbone's.
    """
    num_classes = len(wanted.classes)
    kind = KINDS[wanted.backbone]
    backbone = kind.build(wanted.image_size)
    # The head is built without dropout, whose seed state is no weight: some files have it and some do not.
    head = build_head(settings.head.model_copy(update={"dropout": 0.0}), kind.embedding_size, num_classes)
    try:
        weights.load_strictly(assemble(backbone, head, frozen_batch_norm=True), keras_file)
    except ValueError as error:
        raise Unfit(f"has weights of another shape ({error})") from error
    if not all(np.isfinite(variable.numpy()).all() for variable in (*backbone.weights, *head.weights)):
        raise Unfit("has weights that are not finite numbers")
    is_source = False
    if source_file is not None:
        source = kind.build(wanted.image_size)
        weights.load(source, source_file)
        _must_be_frozen_as(source, backbone, settings)
        is_source = not _differing(source.weights, backbone.weights)
    head_to_train = build_head(settings.head, kind.embedding_size, num_classes)
    head_to_train.set_weights(head.get_weights())
    fingerprint = modes.fingerprint((*backbone.weights, *head.weights))
    return Taken(head_to_train, None if is_source else backbone, fingerprint)


def _must_be_frozen_as(source: keras.Model, backbone: keras.Model, settings: TrainerSettings) -> None:
    blocks = settings.fine_tune.blocks
    changed = _differing(freezing.frozen_variables(source, blocks), freezing.frozen_variables(backbone, blocks))
    layers = list(dict.fromkeys(path.split("/")[-2] for path in changed))
    if layers:
        raise Unfit(
            f"has {len(layers)} layers that are frozen here and differ from the source backbone's ({some(layers)}); "
            f"trainer.fine_tune.blocks is {blocks}"
        )


def _differing(sources: list, variables: list) -> list[str]:
    """Returns the paths of the source's variables whose values differ from their counterparts."""
    pairs = zip(sources, variables, strict=True)
    return [source.path for source, variable in pairs if not np.array_equal(source.numpy(), variable.numpy())]
