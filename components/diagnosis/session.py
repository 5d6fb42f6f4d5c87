"""A model on the table: its splits, what it answered, and how much it was run."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import keras
import numpy as np

from components.copies.search import Copies
from components.diagnosis.evidence import Head, SourceComparison
from components.diagnosis.forward import Call, Outputs, forward, probabilities, step_of
from components.intervals import Counts

# In passes over both splits together.
BUDGET: Final = 4.0
BATCH_SIZE: Final = 64


@dataclass(frozen=True)
class Examples:
    """Labelled inputs."""

    inputs: np.ndarray
    """float32 [n, ...]: what the model takes."""
    labels: np.ndarray
    """int64 [n], >= 0."""


@dataclass
class Session:
    """Runs the model and keeps count."""

    model: keras.Model
    head: Head
    train: Examples
    validation: Examples
    num_classes: int
    batch_size: int
    seed: int = 0
    claimed: Counts | None = None
    """Training accuracy as the trainer saw it; None where nobody says."""
    num_updates: int | None = None
    """Updates that the trainer made; None where nobody says."""
    family: str | None = None
    """The preprocessing that made the inputs, as Keras calls it; None where that is not known."""
    source: SourceComparison | None = None
    """The model against the backbone that it was made from; None where that is not known."""
    copies: Copies | None = None
    """Which validation examples are copies, where that is known of more training examples than these."""
    copied_labels: np.ndarray | None = None
    """int64, of the training examples that `copies` points at; None: those of `train`."""
    num_run: int = field(default=0, init=False)
    """Examples that went through the model."""

    @cached_property
    def _inference(self) -> Call:
        return step_of(self.model, training=False, inputs=self.train.inputs)

    @property
    def passes(self) -> float:
        """What was spent, in passes over both splits."""
        return self.num_run / (len(self.train.labels) + len(self.validation.labels))

    def can_run(self, num_examples: int) -> bool:
        """Whether the budget allows so many examples more."""
        total = len(self.train.labels) + len(self.validation.labels)
        return (self.num_run + num_examples) / total <= BUDGET

    def run(self, inputs: np.ndarray, training: bool = False, batch_size: int | None = None) -> Outputs:
        """Runs the model; in training mode with the training batch size unless told otherwise."""
        self.num_run += len(inputs)
        size = batch_size or (self.batch_size if training else BATCH_SIZE)
        # A probe may replace layers in training mode, so only the inference step can be traced once and used again.
        step = None if training else self._inference
        return forward(self.model, inputs, training=training, batch_size=size, seed=self.seed, step=step)

    def predict(self, inputs: np.ndarray, training: bool = False, batch_size: int | None = None) -> np.ndarray:
        """Predicted classes, int64 [n]; -1 where an output is not finite."""
        return self.classes_of(self.run(inputs, training, batch_size))

    def classes_of(self, outputs: Outputs) -> np.ndarray:
        """The classes that outputs stand for."""
        shares = probabilities(outputs.raw, self.head)
        return np.where(np.isfinite(shares).all(axis=1), shares.argmax(axis=1), -1).astype(np.int64)


def counts(labels: np.ndarray, predicted: np.ndarray) -> Counts:
    """How many are right."""
    return Counts(int((labels == predicted).sum()), len(labels))
