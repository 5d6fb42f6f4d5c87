"""What does it cost and gain that training is stopped by images of its own, and not by those that the gate judges by?

    python benchmarks/stopping.py [--seeds 20] [--cache DIR]

Heads on features of digits 5 to 9, whose backbone was pretrained on digits 0 to 4; with their own labels, and with ones
drawn at random, of which nothing can be learnt. Each head is trained three times on one draw of images: stopped by the
validation images, stopped by a tenth of the training images (which it is not trained on), and not stopped. Images that
nothing was decided by say how good it really is. Writes `benchmarks/results/stopping.md`.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats
from warm_start import KIND, NUM_CLASSES, RESULTS, SETTINGS, all_features

from components.backbone.seeding import make_deterministic
from components.trainer import feature_batches, phases
from components.trainer.classifier import build_head
from components.trainer.feature_cache import Features
from components.trainer.targets import Targets

NUM_VALIDATION = 200
SIZES = (60, 400)
WAYS = ("validation images", "a tenth of the training images", "nothing, all epochs")


@dataclass(frozen=True)
class Draw:
    """One draw of images and labels."""

    labels: str
    size: int
    seed: int
    train: Features
    validation: Features
    fresh: Features


@dataclass(frozen=True)
class Result:
    """One training: accuracies in [0, 1], and epochs until the best."""

    validation: float
    fresh: float
    best_epoch: int


def draws(features: Features, num_seeds: int) -> Iterator[Draw]:
    """Yields every draw: true and random labels, few and many training images."""
    for labels in ("true", "random"):
        for size in SIZES:
            for seed in range(num_seeds):
                random = np.random.default_rng([seed, size])
                order = random.permutation(len(features))
                told = features.labels if labels == "true" else random.permutation(features.labels)
                parts = np.split(order, [size, size + NUM_VALIDATION])
                yield Draw(labels, size, seed, *(Features(features.values[rows], told[rows]) for rows in parts))


def train(draw: Draw, way: str, folder: Path) -> Result:
    """Trains a head as the Trainer does, stopped in one of the ways."""
    held_back = draw.size // 10 if way == WAYS[1] else 0
    trained = Features(draw.train.values[held_back:], draw.train.labels[held_back:])
    stopping = {
        WAYS[0]: draw.validation,
        WAYS[1]: Features(draw.train.values[:held_back], draw.train.labels[:held_back]),
        WAYS[2]: None,
    }[way]
    make_deterministic(draw.seed)
    head = build_head(SETTINGS, KIND.embedding_size, NUM_CLASSES)
    phases.compile_classifier(head, SETTINGS.learning_rate, 0.0)
    targets = Targets(trained.labels, NUM_CLASSES, "none")
    record = phases.run(
        phases.Phase(
            name="head",
            model=head,
            batches=lambda first, last: feature_batches.epochs(
                trained, targets, SETTINGS.batch_size, first, last, draw.seed
            ),
            steps_per_epoch=feature_batches.steps_per_epoch(len(trained), SETTINGS.batch_size),
            score_train=lambda: (0.0, 0.0),
            score_stop=None if stopping is None else lambda: feature_batches.score(head, stopping),
            epochs=SETTINGS.epochs,
            patience=SETTINGS.patience,
            seed=draw.seed,
        ),
        folder,
        str(folder / "log"),
    )
    validation, fresh = (feature_batches.score(head, part)[1] for part in (draw.validation, draw.fresh))
    return Result(validation, fresh, record["best_epoch"] + 1)


def mean(values: list[float]) -> str:
    """Writes a mean in per cent with its 95 % interval over seeds."""
    array = 100 * np.array(values)
    half = stats.t.ppf(0.975, len(array) - 1) * stats.sem(array)
    return f"{array.mean():.1f} ({array.mean() - half:.1f} to {array.mean() + half:.1f})"


def main() -> None:
    """Trains, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="draws of each kind (default 20)")
    parser.add_argument("--cache", default="frostgate-output/benchmarks", help="keeps the pretrained backbone")
    told = parser.parse_args()
    cache = Path(told.cache)
    cache.mkdir(parents=True, exist_ok=True)
    features = all_features(cache)
    found: dict[tuple[str, int, str], list[Result]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for draw in draws(features, told.seeds):
            for way in WAYS:
                folder = Path(scratch, draw.labels, str(draw.size), str(draw.seed), way)
                found.setdefault((draw.labels, draw.size, way), []).append(train(draw, way, folder))
            print(draw.labels, draw.size, draw.seed, flush=True)
    (RESULTS / "stopping.md").write_text(table(found, told.seeds))
    print(table(found, told.seeds))
    os._exit(0)


def table(found: dict[tuple[str, int, str], list[Result]], num_seeds: int) -> str:
    """Writes the results, means over seeds with 95 % intervals, in per cent."""
    lines = [
        f"Means of {num_seeds} seeds with 95 % intervals (Student's), in per cent; {NUM_VALIDATION} validation images.",
        "",
        "| labels | training images | stopped by | fresh images right | validation says more by | best epoch |",
        "|---|---|---|---|---|---|",
    ]
    for (labels, size, way), results in found.items():
        optimism = [one.validation - one.fresh for one in results]
        epoch = np.median([one.best_epoch for one in results])
        lines.append(
            f"| {labels} | {size} | {way} | {mean([one.fresh for one in results])} | {mean(optimism)} | {epoch:g} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
