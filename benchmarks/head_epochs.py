"""How much faster is an epoch on cached features than one through the frozen backbone?

    python benchmarks/head_epochs.py [--images 2000] [--size 32] [--epochs 5]

Both trainings have the same head, batch size and number of images; the equal loss of their first epochs shows that they
train on the same data. Writes `benchmarks/results/head_epochs.md`.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from components.backbone import freezing
from components.backbone.kinds import KINDS
from components.trainer import feature_batches, phases
from components.trainer.classifier import assemble, build_head
from components.trainer.feature_cache import Features, embedded
from components.trainer.settings import HeadSettings
from components.trainer.targets import Targets

RESULTS = Path(__file__).with_name("results")
SETTINGS = HeadSettings(dropout=0.0)
KIND = KINDS["resnet50"]
NUM_CLASSES = 5


class Stopwatch(keras.callbacks.Callback):
    """Times every epoch but the first, which traces the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the watch."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Stops the watch."""
        if epoch:
            self.seconds.append(time.perf_counter() - self._started)


def time_epochs(model: keras.Model, dataset: tf.data.Dataset, steps: int, epochs: int) -> tuple[list[float], float]:
    """Returns the seconds of every epoch after the first, and the first epoch's loss."""
    phases.compile_classifier(model, SETTINGS.learning_rate, 0.0)
    watch = Stopwatch()
    history = model.fit(dataset, epochs=epochs + 1, steps_per_epoch=steps, callbacks=[watch], verbose=0)
    return watch.seconds, history.history["loss"][0]


def through_backbone(
    pixels: np.ndarray, features: Features, targets: Targets, epochs: int
) -> tuple[list[float], float]:
    """Trains the head as most people do: every epoch through the frozen backbone.

    Args:
        pixels: float32 [n, size, size, 3], the backbone's input.
        features: The images' features; only their labels are used.
        targets: Turns labels into what the loss is given.
        epochs: How many are timed, after a first one.

    Returns:
        Like `time_epochs`.
    """
    keras.utils.set_random_seed(1)
    backbone = _backbone(pixels.shape[1])
    model = assemble(backbone, build_head(SETTINGS, KIND.embedding_size, NUM_CLASSES), frozen_batch_norm=True)
    rows = Features(np.arange(len(pixels), dtype=np.float32)[:, None], features.labels)
    order = feature_batches.epochs(rows, targets, SETTINGS.batch_size, 0, epochs + 1, seed=1)
    source = tf.constant(pixels)
    dataset = order.map(lambda row, target, weight: (tf.gather(source, tf.cast(row[:, 0], tf.int32)), target, weight))
    return time_epochs(model, dataset, feature_batches.steps_per_epoch(len(pixels), SETTINGS.batch_size), epochs)


def on_features(features: Features, targets: Targets, size: int, epochs: int) -> tuple[list[float], float]:
    """Trains the head as the Trainer does, on cached features; returns what `time_epochs` returns."""
    keras.utils.set_random_seed(1)
    _backbone(size)  # Draws the random numbers that `through_backbone` draws, so that both heads start alike.
    head = build_head(SETTINGS, KIND.embedding_size, NUM_CLASSES)
    dataset = feature_batches.epochs(features, targets, SETTINGS.batch_size, 0, epochs + 1, seed=1)
    return time_epochs(head, dataset, feature_batches.steps_per_epoch(len(features), SETTINGS.batch_size), epochs)


def _backbone(size: int) -> keras.Model:
    backbone = KIND.build(size)
    freezing.freeze(backbone)
    return backbone


def row(name: str, seconds: list[float], loss: float) -> str:
    """Writes a line of the table."""
    return f"| {name} | {statistics.median(seconds):.4f} | {min(seconds):.4f} to {max(seconds):.4f} | {loss:.4f} |"


def main() -> None:
    """Measures both trainings, then writes and prints the result page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="number of images (default 2000)")
    parser.add_argument("--size", type=int, default=32, help="side in pixels (default 32)")
    parser.add_argument("--epochs", type=int, default=5, help="epochs that are timed (default 5)")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    pixels = random.normal(0, 60, (options.images, options.size, options.size, 3)).astype(np.float32)
    labels = random.integers(0, NUM_CLASSES, options.images).astype(np.int32)

    keras.utils.set_random_seed(1)
    embed = tf.function(_backbone(options.size), reduce_retracing=True)
    batches = tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(SETTINGS.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        features = embedded(Path(folder), embed, batches, KIND.embedding_size)
        embedding_seconds = time.perf_counter() - started
        targets = Targets(labels, NUM_CLASSES, "none")
        slow, slow_loss = through_backbone(pixels, features, targets, options.epochs)
        fast, fast_loss = on_features(features, targets, options.size, options.epochs)
    ratios = [slow_seconds / fast_seconds for slow_seconds, fast_seconds in zip(slow, fast, strict=True)]
    ratio = f"{statistics.median(ratios):.0f} ({min(ratios):.0f} to {max(ratios):.0f})"
    text = "\n".join(
        [
            "# An epoch on cached features against one through the frozen backbone",
            "",
            f"{os.cpu_count()} cores, {options.images} images of {options.size} pixels, "
            f"{options.epochs} epochs after a first.",
            "",
            "| | seconds an epoch, median | range | loss of the first epoch |",
            "|---|---|---|---|",
            row("through the backbone", slow, slow_loss),
            row("on cached features", fast, fast_loss),
            "",
            f"**Ratio: {ratio}.** At least 15 was asked for. Computing the features took {embedding_seconds:.1f} s, "
            "once.",
            "",
        ]
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "head_epochs.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
