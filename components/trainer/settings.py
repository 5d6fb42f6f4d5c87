"""The Trainer's settings."""

from typing import Literal

from pydantic import Field

from components.settings import Settings


class HeadSettings(Settings):
    """Phase one: a classifier on features of the frozen backbone, embedded once."""

    epochs: int = Field(60, ge=1)
    """Most passes over the cached features."""
    batch_size: int = Field(64, ge=1)
    """Feature rows a step."""
    learning_rate: float = Field(1e-3, gt=0)
    """Adam's step size."""
    hidden_units: int = Field(0, ge=0)
    """Width of a hidden layer before the softmax; 0 for none."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of features dropped while training."""
    patience: int = Field(10, ge=1)
    """Epochs without a lower loss on the images of `data.stop_fraction` before the head stops."""


class FineTuneSettings(Settings):
    """Phase two: backbone blocks trained at a low rate, every BatchNorm layer frozen by itself."""

    blocks: int | Literal["all"] = Field(0)
    """How many of the backbone's blocks, from the top, are trained; 0: none; `all`: the stem too. ResNet50 has 16."""
    epochs: int = Field(5, ge=1)
    """Passes over the images."""
    learning_rate: float = Field(1e-5, gt=0)
    """Adam's step size."""
    batch_size: int = Field(32, ge=1)
    """Images a step."""
    patience: int = Field(3, ge=1)
    """Epochs without a lower loss on the images of `data.stop_fraction` before fine-tuning stops."""


class FromScratchSettings(Settings):
    """Training every layer from random weights; only with `backbone.weights: none`."""

    epochs: int = Field(30, ge=1)
    """Passes over the images."""
    learning_rate: float = Field(1e-3, gt=0)
    """Adam's step size."""
    batch_size: int = Field(32, ge=1)
    """Images a step."""
    patience: int = Field(8, ge=1)
    """Epochs without a lower loss on the images of `data.stop_fraction` before training stops."""
    momentum: float = Field(0.9, gt=0, lt=1)
    """BatchNorm momentum; Keras' 0.99 needs 500 updates before the moving statistics mean anything."""


class AugmentSettings(Settings):
    """Random changes to training images while fine-tuning or training from scratch; never in evaluation."""

    flip: bool = False
    """Mirror left to right."""
    crop: float = Field(0.0, ge=0, lt=1)
    """Largest share of each side that a random crop removes."""
    colour: float = Field(0.0, ge=0, lt=1)
    """Strength of random brightness and contrast."""


class TrainerSettings(Settings):
    """How the classifier is trained."""

    run_fn: str = "components.trainer.run_fn.run_fn"
    """Dotted name of the function that trains and exports; any model it writes goes through the same gate."""
    warm_start: Literal["none", "champion"] = "none"
    """`champion`: the training starts from the registered champion's weights where they fit (same classes, image size,
    head, source weights and validation images), and cold where they do not, which the run says. `none`: always cold."""
    seed: int = Field(7, ge=0, lt=2**32)
    """Seeds initial weights, order, dropout and augmentation."""
    head: HeadSettings = HeadSettings()
    """Phase one."""
    fine_tune: FineTuneSettings = FineTuneSettings()
    """Phase two."""
    from_scratch: FromScratchSettings = FromScratchSettings()
    """Instead of both phases, when there are no weights to freeze."""
    augment: AugmentSettings = AugmentSettings()
    """Random changes to training images."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs every class by the inverse of its frequency."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of probability spread over the other classes in the training target."""
    embed_batch_size: int = Field(64, ge=1)
    """Images a batch while features are computed."""
    mixed_precision: Literal["auto", "on", "off"] = "auto"
    """`auto` computes in bfloat16 where the GPU has it."""
