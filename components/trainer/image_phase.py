"""A phase that trains on images: fine-tuning, or everything from scratch."""

from typing import Any

import keras
import tensorflow as tf

from components.trainer import feature_batches, phases
from components.trainer.augment import augmentation
from components.trainer.examples import as_written
from components.trainer.inputs import Inputs
from components.trainer.settings import FineTuneSettings, FromScratchSettings
from components.trainer.targets import Targets

# So many training images are scored for the curve; scoring all of them would cost a third of every epoch.
_NUM_CURVE_IMAGES = 1024


def train(
    name: str,
    model: keras.Model,
    settings: FineTuneSettings | FromScratchSettings,
    targets: Targets,
    num_examples: int,
    inputs: Inputs,
) -> dict[str, Any]:
    """Compiles and trains a model from pixels to probabilities.

    Args:
        name: The phase's name in `history.json`.
        model: Its `trainable` flags say what is trained; they take effect because it is compiled here.
        settings: Epochs, learning rate, batch size and patience.
        targets: Turns labels into one-hot targets and example weights.
        num_examples: Size of the training split.
        inputs: Data, seed and folders.

    Returns:
        The phase's part of `history.json`.
    """
    phases.compile_classifier(model, settings.learning_rate, inputs.settings.label_smoothing)
    infer = tf.function(lambda pixels: model(pixels, training=False), reduce_retracing=True, autograph=False)

    def score(files: tuple[str, ...], limit: int | None) -> tuple[float, float]:
        loss, right, count = 0.0, 0, 0
        for pixels, labels in inputs.reader.batches(files, inputs.settings.embed_batch_size):
            batch_loss, batch_right = feature_batches.cross_entropy_and_hits(infer(pixels).numpy(), labels.numpy())
            loss, right, count = loss + batch_loss, right + batch_right, count + len(labels)
            if limit is not None and count >= limit:
                break
        return loss / count, right / count

    def batches(first: int, last: int) -> tf.data.Dataset:
        epochs = inputs.reader.epochs(
            inputs.train_files,
            settings.batch_size,
            first,
            last,
            inputs.settings.seed,
            augmentation(inputs.settings.augment, inputs.kind.family),
        )
        return epochs.map(as_written(lambda pixels, labels: (pixels, *targets(labels))))

    return phases.run(
        phases.Phase(
            name=name,
            model=model,
            batches=batches,
            steps_per_epoch=feature_batches.steps_per_epoch(num_examples, settings.batch_size),
            score_train=lambda: score(inputs.train_files, _NUM_CURVE_IMAGES),
            score_stop=(lambda: score(inputs.stop_files, None)) if inputs.has_stop_images else None,
            epochs=settings.epochs,
            patience=settings.patience,
            seed=inputs.settings.seed,
        ),
        inputs.checkpoints / name,
        inputs.log_dir,
    )
