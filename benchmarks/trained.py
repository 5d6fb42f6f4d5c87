"""Small classifiers of pictures, trained by plain Keras; none of the project's own model code.

Convnets learn pictures of 16 x 16 pixels: all ten digits, or CIFAR-10. MobileNetV2 and ResNet50, without their last
blocks, are trained briefly to tell digits 0 to 4 and which way up they are, at 32 x 32; heads on them learn digits 5 to
9. A small net learns CIFAR-10, and heads on it photographs of 64 x 64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import keras
import numpy as np
import sources
from sources import SOURCES, Data, Source

Norm = Callable[[], keras.layers.Layer]

BACKBONES: Final = ("mobilenet_v2", "resnet50", "small_net")
_FAMILIES: Final = {"mobilenet_v2": "tf", "resnet50": "caffe", "small_net": "unit"}
_SIDES: Final = {"mobilenet_v2": 32, "resnet50": 32, "small_net": 64}
_CONVNETS_SIDE: Final = 16
_SOURCE_SIDE: Final = 32
_SOURCE_EPOCHS: Final = {"mobilenet_v2": 16, "resnet50": 3, "small_net": 6}
# The last blocks know the source task too well for a backbone that was trained on nine hundred pictures.
_CUTS: Final = {
    "mobilenet_v2": ("block_13_expand_relu", keras.layers.GlobalMaxPooling2D),
    "resnet50": ("conv4_block6_out", keras.layers.GlobalAveragePooling2D),
    "small_net": ("last", keras.layers.GlobalAveragePooling2D),
}


@dataclass(frozen=True)
class Draw:
    """One seed: which model, on which examples."""

    source: str
    """A key of SOURCES."""
    architecture: str
    num_train: int
    num_validation: int
    random: np.random.Generator
    folder: Path
    """Where trained backbones are kept."""

    @property
    def is_backbone(self) -> bool:
        """Whether a head is put on a frozen backbone."""
        return self.architecture in BACKBONES

    @property
    def of(self) -> Source:
        """What is drawn from."""
        return SOURCES[self.source]

    @property
    def num_classes(self) -> int:
        """Ten digits or the five that the backbone has not seen; CIFAR-10's ten, or the three of the photographs."""
        return int(all_pictures(self.source, self.architecture)[1].max()) + 1

    def pictures(self) -> tuple[Data, Data]:
        """Draws both splits."""
        pictures, labels = all_pictures(self.source, self.architecture)
        order = self.random.permutation(len(labels))
        ours, theirs = order[: self.num_train], order[len(order) - self.num_validation :]
        return (pictures[ours], labels[ours]), (pictures[theirs], labels[theirs])

    def prepared(self, pictures: np.ndarray) -> np.ndarray:
        """Preprocesses as the model was made for; the convnets scale inside."""
        return in_family(pictures, _FAMILIES[self.architecture]) if self.is_backbone else pictures


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained."""

    units: int
    activation: str | None = "softmax"
    loss: str = "sparse_categorical_crossentropy"
    epochs: int = 8
    learning_rate: float = 2e-3
    batch_size: int = 32
    decays: bool = False


class BatchStatistics(keras.layers.BatchNormalization):
    """BatchNorm as Keras had it before TensorFlow 2: frozen weights, and batch statistics all the same."""

    def call(self, inputs, training=None, mask=None):  # type: ignore[no-untyped-def]
        """Normalises by the batch while training, frozen or not."""
        if not training:
            return super().call(inputs, training=False)
        mean, variance = keras.ops.moments(inputs, axes=list(range(len(inputs.shape) - 1)))
        return keras.ops.batch_normalization(inputs, mean, variance, -1, self.beta, self.gamma, self.epsilon)


def all_pictures(source: str, architecture: str) -> Data:
    """Loads what can be drawn for an architecture."""
    is_backbone = architecture in BACKBONES
    return sources.load(source, _SIDES.get(architecture, _CONVNETS_SIDE), is_backbone)


def in_family(pictures: np.ndarray, family: str) -> np.ndarray:
    """Preprocesses as Keras' applications do: none, unit, tf, caffe or torch."""
    if family in ("none", "unit"):
        return pictures / np.float32(255 if family == "unit" else 1)
    # It writes into what it is given.
    return np.asarray(keras.applications.imagenet_utils.preprocess_input(pictures.copy(), mode=family))


def trained(draw: Draw, train: Data, recipe: Recipe) -> keras.Model:
    """Trains as the architecture is meant to be trained.

    Args:
        draw: Says which architecture.
        train: Prepared inputs and labels.
        recipe: The output, the loss and how long.
    """
    if not draw.is_backbone:
        return fit(convnet(recipe, *NORMS[draw.architecture]), train, recipe)
    base = backbone(draw.architecture, draw.folder)
    return with_head(base, (in_batches(base, train[0]), train[1]), recipe, frozen=True)


def with_head(base: keras.Model, features: Data, recipe: Recipe, frozen: bool) -> keras.Model:
    """Trains a head on cached features and puts it on the backbone, in inference mode if that is `frozen`."""
    head = keras.Sequential([keras.Input(base.output_shape[1:]), keras.layers.Dense(recipe.units, recipe.activation)])
    fit(head, features, recipe)
    inputs = keras.Input(base.input_shape[1:])
    model = keras.Model(inputs, head(base(inputs, training=False) if frozen else base(inputs)))
    model.compile("adam", recipe.loss)
    return model


def convnet(recipe: Recipe, norm: Norm | None, head_norm: Norm | None, scale: float = 1 / 255) -> keras.Model:
    """A small functional net that scales its inputs itself, with another, normalised dense layer if asked for."""
    inputs = keras.Input((_CONVNETS_SIDE, _CONVNETS_SIDE, 3))
    x = keras.layers.Rescaling(scale)(inputs)
    for width in (16, 32):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=norm is None)(x)
        x = norm()(x) if norm else x
        x = keras.layers.MaxPooling2D()(keras.layers.ReLU()(x))
    x = keras.layers.Flatten()(x)
    if head_norm:
        x = keras.layers.ReLU()(head_norm()(keras.layers.Dense(32, use_bias=False)(x)))
    return keras.Model(inputs, keras.layers.Dense(recipe.units, activation=recipe.activation)(x))


def fit(model: keras.Model, train: Data, recipe: Recipe) -> keras.Model:
    """Trains with Adam."""
    rate: float | keras.optimizers.schedules.LearningRateSchedule = recipe.learning_rate
    if recipe.decays:
        num_updates = recipe.epochs * -(-len(train[1]) // recipe.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, num_updates)
    model.compile(keras.optimizers.Adam(rate), recipe.loss)
    model.fit(*train, epochs=recipe.epochs, batch_size=recipe.batch_size, verbose=0)
    return model


@cache
def backbone(name: str, folder: Path) -> keras.Model:
    """Builds a backbone that knows something else; trains it once, and keeps the weights in the folder."""
    kept = folder / f"{name}.weights.h5"
    if not kept.exists():
        learner = _built(name, _SOURCE_SIDE)
        _train_on_source(learner, name)
        learner.save_weights(kept)
    base = _built(name, _SIDES[name])
    base.load_weights(kept)
    cut, pooling = _CUTS[name]
    shortened = keras.Model(base.input, pooling()(base.get_layer(cut).output), name=name)
    shortened.trainable = False
    return shortened


def copied(base: keras.Model, norm: type[keras.layers.BatchNormalization], **changes: float) -> keras.Model:
    """Copies a backbone with its weights, its BatchNorm layers made over to another class or other settings."""

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.BatchNormalization):
            return norm.from_config({**layer.get_config(), **changes})
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(base, clone_function=clone)
    copy.set_weights(base.get_weights())
    return copy


def _built(name: str, side: int) -> keras.Model:
    if name == "small_net":
        return _small_net(side)
    shape = {"include_top": False, "weights": None, "input_shape": (side, side, 3), "pooling": "avg"}
    if name == "resnet50":
        base = keras.applications.ResNet50(**shape)
    else:
        base = keras.applications.MobileNetV2(alpha=0.35, **shape)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9
    return base


def _small_net(side: int) -> keras.Model:
    inputs = x = keras.Input((side, side, 3))
    for width in (32, 64, 96):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU(name="last" if width == 96 else None)(batch_norm()(x))
        x = keras.layers.MaxPooling2D()(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


def _train_on_source(base: keras.Model, name: str) -> None:
    keras.utils.set_random_seed(0)
    pictures, labels = _source_task(name)
    recipe = Recipe(units=int(labels.max()) + 1, epochs=_SOURCE_EPOCHS[name], learning_rate=1e-3)
    head = keras.layers.Dense(recipe.units, activation=recipe.activation)(base.output)
    fit(keras.Model(base.input, head), (in_family(pictures, _FAMILIES[name]), labels), recipe)


def _source_task(name: str) -> Data:
    if name == "small_net":
        return sources.load("cifar10", _SOURCE_SIDE, False)
    pictures, labels = sources.digits(_SOURCE_SIDE)
    source = labels < 5
    turned = np.concatenate([np.rot90(pictures[source], turns, axes=(1, 2)) for turns in range(4)])
    return turned, np.concatenate([labels[source] + 5 * turns for turns in range(4)])


def in_batches(base: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """What a model answers in inference mode, 256 inputs at a time."""
    return np.concatenate(
        [np.asarray(base(inputs[at : at + 256], training=False)) for at in range(0, len(inputs), 256)]
    )


def batch_norm() -> keras.layers.Layer:
    """BatchNorm that converges within the few updates of a small training run."""
    return keras.layers.BatchNormalization(momentum=0.9)


def _group_norm() -> keras.layers.Layer:
    return keras.layers.GroupNormalization(groups=4)


NORMS: Final[dict[str, tuple[Norm | None, Norm | None]]] = {
    "batch_norm": (batch_norm, None),
    "no_norm": (None, None),
    "group_norm": (_group_norm, None),
    "head_batch_norm": (None, batch_norm),
}
