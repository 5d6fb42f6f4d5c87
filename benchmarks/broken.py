"""Healthy classifiers and ten ways to break them, each drawn from a seed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from zlib import crc32

import keras
import numpy as np
import trained
from domains import DOMAINS, shifted
from sources import CONVNETS, SOURCES, Data
from trained import BatchStatistics, Draw, Recipe

# Of ten, two with a backbone: those take longer to examine than all the others together.
_ALL: Final = (*CONVNETS, "mobilenet_v2", *CONVNETS, "resnet50", "small_net")
_NORMALISED: Final = ("batch_norm", "head_batch_norm", "batch_norm")


@dataclass(frozen=True)
class Case:
    """A trained model and the data that its author looked at."""

    model: keras.Model
    train: Data
    validation: Data
    variant: str = ""
    batch_size: int = 32
    unseen: np.ndarray | None = None
    """bool [n]: which validation examples are in no other split; None: all."""


@dataclass(frozen=True)
class Defect:
    """How to make a case, and which architectures can have it."""

    build: Callable[[Draw], Case]
    architectures: tuple[str, ...] = _ALL
    """Those that can have it; seeds take them in turn."""


def drawn(source: str, defect: str, seed: int, folder: Path) -> Draw:
    """Draws a seed's architecture and sizes; architectures take turns."""
    random = np.random.default_rng([seed, crc32(defect.encode())])
    of = SOURCES[source]
    architectures = [one for one in DEFECTS[defect].architectures if one in of.architectures]
    architecture = architectures[seed % len(architectures)]
    is_backbone = architecture in trained.BACKBONES
    num_validation = int(random.choice(of.num_validation[is_backbone]))
    least, most = of.num_train[is_backbone]
    num_left = len(trained.all_pictures(source, architecture)[1]) - num_validation
    num_train = int(random.integers(least, min(most + 1, num_left)))
    return Draw(source, architecture, num_train, num_validation, random, folder)


def _recipe(draw: Draw, **changes: object) -> Recipe:
    recipe = Recipe(
        units=draw.num_classes,
        epochs=draw.of.epochs[draw.is_backbone],
        batch_size=draw.of.batch_size,
        decays=draw.of.decays,
    )
    return replace(recipe, **changes)  # type: ignore[arg-type]


def _healthy(draw: Draw) -> Case:
    train, validation = draw.pictures()
    # Perfect scores would make every rule look good: some tasks have labels that nobody can know, in both splits alike.
    share = float(draw.random.choice([0.0, 0.05, 0.1]))
    train, validation = (_mislabelled(draw, split, share) for split in (train, validation))
    return _case(draw, train, validation, f"{share:.0%} of labels wrong in both splits")


def _case(draw: Draw, train: Data, validation: Data, variant: str, **changes: object) -> Case:
    """Trains as one should, on pictures."""
    train, validation = ((draw.prepared(pictures), labels) for pictures, labels in (train, validation))
    return Case(trained.trained(draw, train, _recipe(draw, **changes)), train, validation, variant)


def _loss_head_mismatch(draw: Draw) -> Case:
    train, validation = draw.pictures()
    units, activation, loss = _PAIRS[int(draw.random.integers(len(_PAIRS)))]
    if units == 1:
        train, validation = (
            (pictures, (labels >= draw.num_classes // 2).astype(np.int64)) for pictures, labels in (train, validation)
        )
    recipe = {"units": units or draw.num_classes, "activation": activation, "loss": loss}
    return _case(draw, train, validation, f"{activation or 'linear'} {units or 'k'} with {loss}", **recipe)


_PAIRS: Final = (
    (1, "softmax", "binary_crossentropy"),
    (1, None, "binary_crossentropy"),
    (None, None, "sparse_categorical_crossentropy"),
    (None, "relu", "sparse_categorical_crossentropy"),
)


def _batch_norm_mode(draw: Draw) -> Case:
    (pictures, labels), (unseen, unseen_labels) = draw.pictures()
    if draw.is_backbone:
        pictures, unseen = _far(draw, pictures), _far(draw, unseen)
        base = trained.copied(trained.backbone(draw.architecture, draw.folder), BatchStatistics)
        base.trainable = False
        train = draw.prepared(pictures), labels
        model = trained.with_head(base, _batch_features(base, train), _recipe(draw), frozen=False)
        return Case(model, train, (draw.prepared(unseen), unseen_labels), "frozen backbone, another domain")
    # Its own first statistics, or those of the pictures that it was trained on before.
    is_reused = draw.random.random() < 0.5
    model = _convnet_on_batch_statistics(draw, (_far(draw, pictures), labels) if is_reused else None)
    trained.fit(model, (pictures, labels), _recipe(draw))
    variant = "statistics of another domain" if is_reused else "statistics never moved"
    return Case(model, (pictures, labels), (unseen, unseen_labels), variant)


def _far(draw: Draw, pictures: np.ndarray) -> np.ndarray:
    """Pictures far from those drawn, as medical ones are from ImageNet's; inverted photographs are hardly that."""
    return 255 - pictures if draw.source == "digits" else pictures / np.float32(4)


def _convnet_on_batch_statistics(draw: Draw, source: Data | None) -> keras.Model:
    norms = trained.NORMS[draw.architecture]
    scale = 1 / 255 if source else 1.0
    model = trained.convnet(_recipe(draw), *(BatchStatistics if norm else None for norm in norms), scale=scale)
    if source:
        before = trained.fit(trained.convnet(_recipe(draw), *norms, scale=scale), source, _recipe(draw))
        model.set_weights(before.get_weights())
    for layer in model.layers:
        layer.trainable = not isinstance(layer, BatchStatistics)
    return model


def _batch_features(base: keras.Model, train: Data) -> Data:
    """Features as the head sees them while it trains, the last partial batch left out."""
    starts = range(0, len(train[1]) - 31, 32)
    features = [np.asarray(base(train[0][at : at + 32], training=True)) for at in starts]
    return np.concatenate(features), train[1][: 32 * len(features)]


def _statistics_not_converged(draw: Draw) -> Case:
    train, validation = draw.pictures()
    momentum = float(draw.random.choice(draw.of.momenta))
    variant = f"momentum {momentum}"
    if draw.is_backbone:
        train, validation = ((draw.prepared(_far(draw, pictures)), labels) for pictures, labels in (train, validation))
        model = _fine_tuned(draw, train, momentum)
        return Case(model, train, validation, variant, batch_size=64)
    norms = [
        (lambda: keras.layers.BatchNormalization(momentum=momentum)) if norm else None
        for norm in trained.NORMS[draw.architecture]
    ]
    recipe = _recipe(draw, epochs=int(draw.random.integers(3, 6)), batch_size=96)
    model = trained.fit(trained.convnet(recipe, *norms, scale=1.0), train, recipe)
    return Case(model, train, validation, variant, batch_size=96)


def _fine_tuned(draw: Draw, train: Data, momentum: float) -> keras.Model:
    """The whole backbone and a head, for a few large batches."""
    base = trained.copied(
        trained.backbone(draw.architecture, draw.folder), keras.layers.BatchNormalization, momentum=momentum
    )
    base.trainable = True
    recipe = _recipe(draw, epochs=6, batch_size=64, learning_rate=1e-3)
    head = keras.layers.Dense(recipe.units, activation=recipe.activation)(base.output)
    return trained.fit(keras.Model(base.input, head), train, recipe)


def _preprocessing_skew(draw: Draw) -> Case:
    train, (pictures, labels) = draw.pictures()
    case = _case(draw, train, (pictures, labels), "")
    family = str(draw.random.choice(["divided twice", "unit", "tf", "caffe", "torch"]))
    prepared = draw.prepared(pictures)
    other = prepared / np.float32(255) if family == "divided twice" else trained.in_family(pictures, family)
    if np.array_equal(other, prepared):
        other, family = pictures, "none"
    return replace(case, validation=(other.astype(np.float32), labels), variant=family)


def _label_order(draw: Draw) -> Case:
    train, (pictures, labels) = draw.pictures()
    num_moved = int(draw.random.integers(3, draw.num_classes + 1))
    moved = draw.random.choice(draw.num_classes, num_moved, replace=False)
    order = np.arange(draw.num_classes)
    # A cycle leaves none of them where it was.
    order[moved] = np.roll(moved, 1)
    return _case(draw, train, (pictures, order[labels]), f"{num_moved} classes moved")


def _duplicates(draw: Draw) -> Case:
    (pictures, labels), (unseen, unseen_labels) = draw.pictures()
    num_train = int(draw.random.integers(20, 61))
    train = pictures[:num_train], labels[:num_train]
    share = float(draw.random.uniform(0.2, 0.6))
    leaked = np.arange(len(unseen_labels)) < share * len(unseen_labels)
    copied = draw.random.integers(0, num_train, int(leaked.sum()))
    unseen[leaked], unseen_labels[leaked] = train[0][copied], train[1][copied]
    variant = f"{share:.0%} of validation copied from {num_train} examples"
    case = _case(draw, train, (unseen, unseen_labels), variant, epochs=80)
    return replace(case, unseen=~leaked)


def _class_imbalance(draw: Draw) -> Case:
    (pictures, labels), (unseen, unseen_labels) = draw.pictures()
    num_rare = int(draw.random.integers(2, draw.num_classes // 2 + 2))
    rare = draw.random.choice(draw.num_classes, num_rare, replace=False)
    num_kept = int(draw.random.integers(2, 7))
    few = [np.flatnonzero(labels == label)[:num_kept] for label in rare]
    kept = np.sort(np.concatenate([np.flatnonzero(~np.isin(labels, rare)), *few]))
    ordinary = draw.random.random(len(unseen_labels)) < 0.2
    shown = np.isin(unseen_labels, rare) | ordinary
    variant = f"{num_rare} classes with {num_kept} training examples each"
    return _case(draw, (pictures[kept], labels[kept]), (unseen[shown], unseen_labels[shown]), variant)


def _class_collapse(draw: Draw) -> Case:
    train, validation = draw.pictures()
    if draw.random.random() < 0.5 and not draw.is_backbone:
        return _case(draw, train, validation, "learning rate of 3", learning_rate=3.0)
    share = float(draw.random.choice([0.03, 0.06, 0.1]))
    train, validation = (_one_among_others(draw, split, share) for split in (train, validation))
    return _case(draw, train, validation, f"{share:.0%} of both splits are the other class", units=2, epochs=1)


def _one_among_others(draw: Draw, data: Data, share: float) -> Data:
    """Keeps so many of the last digit, and asks for nothing but whether it is that one."""
    pictures, labels = data
    is_rare = labels == draw.num_classes - 1
    num_kept = round((~is_rare).sum() * share / (1 - share))
    kept = np.sort(np.concatenate([np.flatnonzero(~is_rare), np.flatnonzero(is_rare)[:num_kept]]))
    return pictures[kept], is_rare[kept].astype(np.int64)


def _distribution_shift(draw: Draw) -> Case:
    train, (pictures, labels) = draw.pictures()
    variant = str(draw.random.choice(list(DOMAINS)))
    return _case(draw, train, (shifted(pictures, variant, draw.random), labels), variant)


def _overfitting(draw: Draw) -> Case:
    train, validation = draw.pictures()
    if draw.random.random() < 0.5 or draw.is_backbone:
        num_train = int(draw.random.integers(20, 61))
        few = train[0][:num_train], train[1][:num_train]
        return _case(draw, few, validation, f"{num_train} training examples", epochs=100)
    share = float(draw.random.choice([0.2, 0.3, 0.4]))
    variant = f"{share:.0%} of training labels wrong and learnt by heart"
    # More are not learnt by heart.
    few = train[0][:1_000], train[1][:1_000]
    return _case(draw, _mislabelled(draw, few, share), validation, variant, epochs=60)


def _mislabelled(draw: Draw, data: Data, share: float) -> Data:
    pictures, labels = data
    wrong = draw.random.random(len(labels)) < share
    others = (labels + draw.random.integers(1, draw.num_classes, len(labels))) % draw.num_classes
    return pictures, np.where(wrong, others, labels)


DEFECTS: Final = {
    "healthy": Defect(_healthy),
    "loss_head_mismatch": Defect(_loss_head_mismatch),
    "batch_norm_mode": Defect(_batch_norm_mode, (*_NORMALISED, *trained.BACKBONES)),
    "statistics_not_converged": Defect(_statistics_not_converged, (*_NORMALISED, "mobilenet_v2", "small_net")),
    "preprocessing_skew": Defect(_preprocessing_skew),
    "label_order": Defect(_label_order),
    "duplicates": Defect(_duplicates),
    "class_imbalance": Defect(_class_imbalance),
    "class_collapse": Defect(_class_collapse),
    "distribution_shift": Defect(_distribution_shift),
    "overfitting": Defect(_overfitting),
}
