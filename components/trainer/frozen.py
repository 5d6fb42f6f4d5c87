"""Trains on a frozen backbone: computes features once, trains a head on them, and may fine-tune the top blocks."""

import keras
import numpy as np
import tensorflow as tf

from components import whole_files
from components.backbone import freezing, modes, weights
from components.errors import ArtifactChanged
from components.trainer import feature_batches, image_phase, phases, start
from components.trainer.classifier import assemble
from components.trainer.feature_cache import Features, embedded
from components.trainer.inputs import Inputs, Trained
from components.trainer.targets import Targets
from schemas.features import STOP, TRAIN


def train(inputs: Inputs) -> Trained:
    """Trains the head (phase one) and, where the configuration asks for it, the top blocks (phase two)."""
    settings = inputs.settings
    blocks = settings.fine_tune.blocks
    backbone = load_backbone(inputs)
    # The fingerprint is taken before the champion's weights are loaded: frozen layers must stay as in the source.
    frozen = freezing.frozen_variables(backbone, blocks)
    frozen_before = modes.fingerprint(frozen)
    if inputs.starts_warm:
        start.load_trained(inputs.weights_dir, backbone, blocks)
    train_features, stop_features = features_of(backbone, modes.fingerprint(backbone.weights), inputs)
    targets = Targets(train_features.labels, len(inputs.classes), settings.class_weights)

    head = inputs.new_head()
    if inputs.starts_warm:
        start.load_head(inputs.weights_dir, head)
    records = [train_head(head, train_features, stop_features, targets, inputs)]
    model = assemble(backbone, head, frozen_batch_norm=True)
    batch_size = settings.head.batch_size
    if blocks:
        freezing.unfreeze_top(backbone, blocks)
        batch_size = settings.fine_tune.batch_size
        records.append(image_phase.train("fine_tune", model, settings.fine_tune, targets, len(train_features), inputs))
    difference = freezing.mode_difference(model, some_pixels(inputs))
    steps = feature_batches.steps_per_epoch(len(train_features), settings.head.batch_size)
    return Trained(
        model=model,
        proof=freezing.prove(backbone, blocks, frozen_before, frozen, difference),
        phases=tuple(records),
        num_updates=len(records[0]["epochs"]) * steps,
        momentum_lint=None,
        batch_size=batch_size,
    )


def load_backbone(inputs: Inputs) -> keras.Model:
    """Builds the backbone, loads its weights and freezes all of it.

    Raises:
        ArtifactChanged: The weights are not those that the step wrote.
    """
    backbone, file = inputs.kind.build(inputs.image_size), inputs.weights_dir / "backbone.weights.h5"
    if not file.exists() or whole_files.sha256_of(file) != inputs.backbone["sha256"]:
        raise ArtifactChanged(str(inputs.weights_dir.parent), f"{file.name} is not what the step wrote")
    weights.load(backbone, file)
    freezing.freeze(backbone)
    return backbone


def features_of(backbone: keras.Model, fingerprint: str, inputs: Inputs) -> tuple[Features, Features | None]:
    """Returns the features of the images to train on and of those that say when to stop, from the cache if it has them.

    Args:
        backbone: A frozen model from pixels to features.
        fingerprint: Of the backbone's weights; features of other weights are not used.
        inputs: Data and folders.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def embed(pixels: tf.Tensor) -> tf.Tensor:
        return backbone(pixels, training=False)

    def split(name: str, files: tuple[str, ...]) -> Features:
        folder = inputs.features_dir(name, files, f"{fingerprint}:{backbone.dtype_policy.name}")
        batches = inputs.reader.batches(files, inputs.settings.embed_batch_size)
        return embedded(folder, embed, batches, inputs.kind.embedding_size)

    return split(TRAIN, inputs.train_files), split(STOP, inputs.stop_files) if inputs.has_stop_images else None


def train_head(
    head: keras.Model, train_features: Features, stop_features: Features | None, targets: Targets, inputs: Inputs
) -> dict:
    """Trains the head on cached features; returns its part of `history.json`."""
    settings = inputs.settings.head
    phases.compile_classifier(head, settings.learning_rate, inputs.settings.label_smoothing)
    return phases.run(
        phases.Phase(
            name="head",
            model=head,
            batches=lambda first, last: feature_batches.epochs(
                train_features, targets, settings.batch_size, first, last, inputs.settings.seed
            ),
            steps_per_epoch=feature_batches.steps_per_epoch(len(train_features), settings.batch_size),
            score_train=lambda: feature_batches.score(head, train_features),
            score_stop=None if stop_features is None else lambda: feature_batches.score(head, stop_features),
            epochs=settings.epochs,
            patience=settings.patience,
            seed=inputs.settings.seed,
        ),
        inputs.checkpoints / "head",
        inputs.log_dir,
    )


def some_pixels(inputs: Inputs) -> np.ndarray:
    """Returns one training batch, float32 [at most 32, size, size, 3]."""
    pixels, _ = next(iter(inputs.reader.batches(inputs.train_files, 32)))
    return pixels.numpy()
