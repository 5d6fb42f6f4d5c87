"""A model under examination: it is run on its two splits, and the runs are counted."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import keras
import numpy as np

from components.copies.search import Copies
from components.diagnosis.evidence import Head, SourceComparison
from components.diagnosis.forward import Call, Outputs, forward, probabilities, step_of
from components.intervals import Counts

# The most that an examination may run the model, in passes over both splits together.
BUDGET: Final = 4.0
BATCH_SIZE: Final = 64


@dataclass(frozen=True)
class Examples:
    """Labelled inputs."""

    inputs: np.ndarray
    """float32 [n, ...], as the model takes them."""
    labels: np.ndarray
    """int64 [n], >= 0."""


@dataclass
class Session:
    """Runs the model and counts the examples that it was run on."""

    model: keras.Model
    head: Head
    train: Examples
    validation: Examples
    num_classes: int
    batch_size: int
    """The training batch size; batch statistics depend on it."""
    seed: int = 0
    claimed: Counts | None = None
    """Training accuracy as the trainer recorded it; None where there is no record."""
    num_updates: int | None = None
    """Updates that the trainer made; None where there is no record."""
    family: str | None = None
    """The preprocessing that made the inputs, as Keras calls it; None where that is not known."""
    source: SourceComparison | None = None
    """The model compared with the backbone that it was made from; None where no backbone was given."""
    copies: Copies | None = None
    """Validation examples that are copies of any training example, not only of those in `train`; None: not searched."""
    copied_labels: np.ndarray | None = None
    """int64, labels of the training examples that `copies` points at; None: those of `train`."""
    num_run: int = field(default=0, init=False)
    """The number of examples that went through the model so far."""

    @cached_property
    def _inference(self) -> Call:
        return step_of(self.model, training=False, inputs=self.train.inputs)

    @property
    def passes(self) -> float:
        """The share of the budget that is spent, in passes over both splits."""
        return self.num_run / (len(self.train.labels) + len(self.validation.labels))

    def can_run(self, num_examples: int) -> bool:
        """Returns whether the budget allows `num_examples` more."""
        total = len(self.train.labels) + len(self.validation.labels)
        return (self.num_run + num_examples) / total <= BUDGET

    def run(self, inputs: np.ndarray, training: bool = False, batch_size: int | None = None) -> Outputs:
        """Runs the model.

        Args:
            inputs: float32 [n, ...], as the model takes them.
            training: Whether the model runs in training mode.
            batch_size: None: the training batch size in training mode, else `BATCH_SIZE`.
        """
        self.num_run += len(inputs)
        size = batch_size or (self.batch_size if training else BATCH_SIZE)
        # A probe may replace layers in training mode, so only the inference step can be traced once and used again.
        step = None if training else self._inference
        return forward(self.model, inputs, training=training, batch_size=size, seed=self.seed, step=step)

    def predict(self, inputs: np.ndarray, training: bool = False, batch_size: int | None = None) -> np.ndarray:
        """Runs the model as `run` does; returns the predicted classes, int64 [n]; -1 where an output is not finite."""
        return self.classes_of(self.run(inputs, training, batch_size))

    def classes_of(self, outputs: Outputs) -> np.ndarray:
        """Returns the class of each output, int64 [n]; -1 where it is not finite."""
        shares = probabilities(outputs.raw, self.head)
        return np.where(np.isfinite(shares).all(axis=1), shares.argmax(axis=1), -1).astype(np.int64)


def counts(labels: np.ndarray, predicted: np.ndarray) -> Counts:
    """Counts the right answers among int64 [n] labels and int64 [n] predicted classes."""
    return Counts(int((labels == predicted).sum()), len(labels))
