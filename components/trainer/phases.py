"""One phase of training: epochs with early stopping, checkpoints, and curves in both modes."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.backbone.layers import flatten
from components.trainer.checkpoints import PhaseCheckpoint, Progress

Score = Callable[[], tuple[float, float]]


@dataclass(frozen=True)
class Phase:
    """What is to be trained, and for how long."""

    name: str
    model: keras.Model
    """Compiled."""
    batches: Callable[[int, int], tf.data.Dataset]
    """Takes the first epoch and the one after the last; returns their batches, which depend on nothing else."""
    steps_per_epoch: int
    score_train: Score
    """Loss and accuracy on training images in inference mode."""
    score_stop: Score | None
    """Loss and accuracy in inference mode on the images that say when to stop; None where there are none: all epochs
    are trained, and the last one counts as the best."""
    epochs: int
    """At most as many are trained."""
    patience: int
    """Epochs without a lower loss on the images that say when to stop before training stops."""
    seed: int
    """Seed of dropout."""


class _Recorder(keras.callbacks.Callback):
    """Scores the model after every epoch, writes a checkpoint, and decides whether training stops."""

    def __init__(self, phase: Phase, checkpoint: PhaseCheckpoint, progress: Progress) -> None:
        super().__init__()
        self._phase, self._checkpoint, self.progress = phase, checkpoint, progress
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._started = time.monotonic()
        _seed_dropout(self._phase.model, self._phase.seed, epoch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        seconds = time.monotonic() - self._started
        train_loss, train_accuracy = self._phase.score_train()
        stop_loss, stop_accuracy = self._phase.score_stop() if self._phase.score_stop else (None, None)
        loss = float((logs or {})["loss"])
        row = {
            "epoch": epoch,
            "loss": loss,
            "accuracy": float((logs or {})["accuracy"]),
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "stop_loss": stop_loss,
            "stop_accuracy": stop_accuracy,
            "seconds": seconds,
        }
        is_best = stop_loss is None or stop_loss < self.progress.best_loss or epoch == 0
        self.progress = Progress((*self.progress.epochs, row), epoch if is_best else self.progress.best_epoch)
        self._checkpoint.save(self.progress, is_best)
        # A loss that is not finite never becomes finite again, so training stops; the gate will refuse the model.
        if _should_stop(self.progress, self._phase.patience) or not math.isfinite(loss):
            self.model.stop_training = True


def compile_classifier(model: keras.Model, learning_rate: float, label_smoothing: float) -> None:
    """Compiles a model whose outputs are probabilities float32 [batch, num_classes], for one-hot targets."""
    model.compile(
        keras.optimizers.Adam(learning_rate),
        keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing),
        metrics=["accuracy"],
    )


def run(phase: Phase, folder: Path, log_dir: str) -> dict[str, Any]:
    """Trains a phase, or what is left of it, and leaves the best epoch's weights in the model.

    Args:
        phase: What to train.
        folder: Keeps the checkpoints; a run that finds some continues from them.
        log_dir: TensorBoard's folder.

    Returns:
        The phase's part of `history.json`.
    """
    checkpoint = PhaseCheckpoint(folder, phase.model)
    # An optimizer creates its variables on first use, but the checkpoint is restored into them before that.
    phase.model.optimizer.build(phase.model.trainable_variables)
    progress = checkpoint.restore()
    num_done = len(progress.epochs)
    if num_done < phase.epochs and not _should_stop(progress, phase.patience):
        recorder = _Recorder(phase, checkpoint, progress)
        board = keras.callbacks.TensorBoard(log_dir, write_graph=False)
        phase.model.fit(
            phase.batches(num_done, phase.epochs),
            initial_epoch=num_done,
            epochs=phase.epochs,
            steps_per_epoch=phase.steps_per_epoch,
            callbacks=[recorder, board],
            verbose=0,
        )
        progress = recorder.progress
    checkpoint.restore_best()
    return {"name": phase.name, "epochs": list(progress.epochs), "best_epoch": progress.best_epoch}


def _should_stop(progress: Progress, patience: int) -> bool:
    return bool(progress.epochs) and len(progress.epochs) - 1 - progress.best_epoch >= patience


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Makes an epoch's dropout follow from (seed, epoch), so that resuming does not change it."""
    for index, layer in enumerate(flatten(model)):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            state = np.random.SeedSequence([seed, epoch, index]).generate_state(2)
            generator.state.assign(state.astype(generator.state.dtype))
