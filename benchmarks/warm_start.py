"""How much sooner does a head reach a validation loss from the champion's weights, and does it end up as another model?

    python benchmarks/warm_start.py [--seeds 10] [--cache DIR]

Digits 5 to 9 arrive in two deliveries; the backbone was pretrained on digits 0 to 4. The champion learns the first
delivery. On the second, one head starts from the champion and one cold, with the same images, order and dropout. Writes
`benchmarks/results/warm_start.md`.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from scipy import stats

from components.backbone import pretrain, weights
from components.backbone.kinds import KINDS
from components.backbone.seeding import make_deterministic
from components.backbone.settings import BackboneSettings
from components.ingest.embedded import materialise
from components.ingest.settings import EMBEDDED_DIGITS, EMBEDDED_SOURCE_DIGITS
from components.trainer import feature_batches, phases
from components.trainer.classifier import build_head
from components.trainer.feature_cache import Features
from components.trainer.settings import HeadSettings
from components.trainer.targets import Targets
from components.transform.decoding import decode_image
from components.transform.scaling import to_input

RESULTS = Path(__file__).with_name("results")
SETTINGS = HeadSettings()
KIND = KINDS["resnet50"]
NUM_CLASSES = 5
EVAL_FRACTION = 0.33
SIZE = 32


@dataclass(frozen=True)
class Delivery:
    """One span's images."""

    train: Features
    validation: Features


@dataclass(frozen=True)
class Course:
    """How a training went."""

    losses: tuple[float, ...]
    """The validation loss after each epoch."""
    seconds: tuple[float, ...]
    """The seconds that each epoch took, without scoring."""
    accuracy: float
    """The best epoch's accuracy on the validation images of the delivery that was trained on, in [0, 1]."""
    earlier_accuracy: float
    """The best epoch's accuracy on the validation images of the first delivery, in [0, 1]."""

    def epochs_to(self, target: float) -> int:
        """Counts the epochs until the validation loss is at most `target`; one more than all where it never was."""
        return next((index + 1 for index, loss in enumerate(self.losses) if loss <= target), len(self.losses) + 1)

    def seconds_to(self, target: float) -> float:
        """Returns the seconds until the validation loss is at most `target`; those of all epochs where it never was."""
        return sum(self.seconds[: self.epochs_to(target)])


@dataclass(frozen=True)
class Pair:
    """Both trainings of one seed."""

    cold: Course
    warm: Course
    steps_per_epoch: int

    @property
    def target(self) -> float:
        """The lowest validation loss that both reach."""
        return max(min(self.cold.losses), min(self.warm.losses))


def all_features(cache: Path) -> Features:
    """Embeds every digit from 5 to 9 with the backbone that the pipeline would pretrain."""
    file = cache / "pretrained.weights.h5"
    if not file.exists():
        pretrain.pretrain(materialise(EMBEDDED_SOURCE_DIGITS, str(cache)), BackboneSettings(), SIZE, 7, file)
    backbone = KIND.build(SIZE)
    weights.load(backbone, file)
    paths, labels, _ = pretrain.list_images(materialise(EMBEDDED_DIGITS, str(cache)))
    pixels = tf.stack([to_input(decode_image(tf.io.read_file(path)), SIZE, KIND.family) for path in paths])
    embed = tf.function(lambda batch: backbone(batch, training=False), reduce_retracing=True)
    values = np.concatenate([embed(pixels[start : start + 64]).numpy() for start in range(0, len(labels), 64)])
    return Features(values, np.array(labels, np.int32))


def deliveries(features: Features, seed: int) -> tuple[Delivery, Delivery]:
    """Draws two halves of the images at random, and holds back the validation images of each."""
    order = np.random.default_rng(seed).permutation(len(features))

    def part(rows: np.ndarray) -> Features:
        return Features(features.values[rows], features.labels[rows])

    def delivery(rows: np.ndarray) -> Delivery:
        held_back = round(EVAL_FRACTION * len(rows))
        return Delivery(part(rows[held_back:]), part(rows[:held_back]))

    first, second = np.array_split(order, 2)
    return delivery(first), delivery(second)


def train(head: keras.Model, delivery: Delivery, first: Delivery, seed: int, folder: Path) -> Course:
    """Trains a head on a delivery as the Trainer does, and scores it on the first delivery, too."""
    targets = Targets(delivery.train.labels, NUM_CLASSES, "none")
    phases.compile_classifier(head, SETTINGS.learning_rate, 0.0)
    phase = phases.Phase(
        name="head",
        model=head,
        batches=lambda start, end: feature_batches.epochs(
            delivery.train, targets, SETTINGS.batch_size, start, end, seed
        ),
        steps_per_epoch=feature_batches.steps_per_epoch(len(delivery.train), SETTINGS.batch_size),
        score_train=lambda: feature_batches.score(head, delivery.train),
        score_stop=lambda: feature_batches.score(head, delivery.validation),
        epochs=SETTINGS.epochs,
        patience=SETTINGS.patience,
        seed=seed,
    )
    epochs = phases.run(phase, folder, str(folder / "log"))["epochs"]
    return Course(
        losses=tuple(epoch["stop_loss"] for epoch in epochs),
        seconds=tuple(epoch["seconds"] for epoch in epochs),
        accuracy=feature_batches.score(head, delivery.validation)[1],
        earlier_accuracy=feature_batches.score(head, first.validation)[1],
    )


def one_seed(features: Features, seed: int, scratch: Path) -> Pair:
    """Trains the champion, and then both heads on the second delivery."""
    first, second = deliveries(features, seed)

    def trained(head: keras.Model, delivery: Delivery, name: str) -> Course:
        return train(head, delivery, first, seed, scratch / f"{seed}-{name}")

    make_deterministic(seed)
    champion = build_head(SETTINGS, KIND.embedding_size, NUM_CLASSES)
    trained(champion, first, "champion")
    cold, warm = (
        build_head(SETTINGS, KIND.embedding_size, NUM_CLASSES),
        build_head(SETTINGS, KIND.embedding_size, NUM_CLASSES),
    )
    warm.set_weights(champion.get_weights())
    # The first training in a process is slower, so the order alternates between the seeds.
    order = [(cold, "cold"), (warm, "warm")]
    courses = {name: trained(head, second, name) for head, name in (order if seed % 2 else reversed(order))}
    steps = feature_batches.steps_per_epoch(len(second.train), SETTINGS.batch_size)
    return Pair(courses["cold"], courses["warm"], steps)


def spread(values: Sequence[float], digits: int) -> str:
    """Writes median and range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def difference(values: Sequence[float]) -> str:
    """Writes the mean of paired differences, in points, with its 95 % interval over the seeds."""
    points = 100 * np.array(values)
    half = stats.t.ppf(0.975, len(points) - 1) * points.std(ddof=1) / np.sqrt(len(points))
    return f"{points.mean():+.1f} points [{points.mean() - half:+.1f}, {points.mean() + half:+.1f}]"


def row(name: str, cold: Sequence[float], warm: Sequence[float], digits: int) -> str:
    """Writes a line of the table, with the ratio of each pair."""
    ratios = [cold_value / warm_value for cold_value, warm_value in zip(cold, warm, strict=True)]
    return f"| {name} | {spread(cold, digits)} | {spread(warm, digits)} | {spread(ratios, 1)} |"


def report(pairs: Sequence[Pair], num_images: int) -> str:
    """Returns the result page as Markdown."""

    def epochs(course: str) -> list[int]:
        return [getattr(pair, course).epochs_to(pair.target) for pair in pairs]

    def seconds(course: str) -> list[float]:
        return [getattr(pair, course).seconds_to(pair.target) for pair in pairs]

    def updates(course: str) -> list[int]:
        return [pair.steps_per_epoch * number for pair, number in zip(pairs, epochs(course), strict=True)]

    def whole(course: str) -> list[int]:
        return [len(getattr(pair, course).losses) for pair in pairs]

    def first(course: str) -> list[float]:
        return [getattr(pair, course).losses[0] for pair in pairs]

    accuracy_gains = [pair.warm.accuracy - pair.cold.accuracy for pair in pairs]
    earlier_gains = [pair.warm.earlier_accuracy - pair.cold.earlier_accuracy for pair in pairs]
    loss_differences = [min(pair.warm.losses) - min(pair.cold.losses) for pair in pairs]
    return "\n".join(
        [
            "# A head from the champion's weights against one that starts cold",
            "",
            f"{os.cpu_count()} cores, {len(pairs)} seeds, {num_images} images in two deliveries, a third of each for",
            f"validation. The default head: at most {SETTINGS.epochs} epochs, {SETTINGS.patience} without a lower loss "
            "end it. Median and range over the seeds; a ratio is of",
            "one seed's two trainings. The loss to be reached is the lowest that both come to.",
            "",
            "| | cold | warm | cold / warm |",
            "|---|---|---|---|",
            row("validation loss after one epoch", first("cold"), first("warm"), 2),
            row("epochs to the same validation loss", epochs("cold"), epochs("warm"), 0),
            row("updates to it", updates("cold"), updates("warm"), 0),
            row("seconds to it", seconds("cold"), seconds("warm"), 2),
            row("epochs until training ends", whole("cold"), whole("warm"), 0),
            "",
            f"Validation accuracy, warm - cold: **{difference(accuracy_gains)}** on the second delivery,",
            f"{difference(earlier_gains)} on the first one's validation images. Mean and 95 % t-interval over the "
            "seeds;",
            f"the lowest validation loss, warm - cold, is {spread(loss_differences, 3)}.",
            "",
            "The first epoch of every training compiles its graph, which is most of a warm one's seconds. A cold",
            f"head that ends at epoch {SETTINGS.epochs} was stopped by that limit, so part of the difference is",
            "training that it did not get; and a warm one has seen both deliveries. Embedding, which both need, is",
            "not in the seconds. Fine-tuning was not measured.",
            "",
        ]
    )


def main() -> None:
    """Measures the trainings, then writes and prints the result page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="how many (default 10)")
    parser.add_argument("--cache", type=Path, help="keeps the pretrained backbone (default: nowhere)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        features = all_features(options.cache or Path(scratch) / "cache")
        pairs = [one_seed(features, seed, Path(scratch)) for seed in range(options.seeds)]
    text = report(pairs, len(features))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "warm_start.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
