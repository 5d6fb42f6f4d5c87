"""The mode gap while a model is still being trained."""

import warnings
from collections.abc import MutableMapping
from typing import Final

import keras
import numpy as np

from components.diagnosis.head import look
from components.diagnosis.session import Examples, Session
from components.diagnosis.symptoms import CONFIDENCE, MODE_GAP
from components.doctor.data import split_of
from components.intervals import PairedCounts, newcombe_paired

_MOST_EXAMPLES: Final = 512


class FrostgateCallback(keras.callbacks.Callback):
    """Warns during `fit` when the model does better in training mode than in inference mode on the same examples.

    That is the collapse which training accuracy cannot show: what is served is inference mode. After every epoch
    `logs` has `mode_gap`, the difference of the two accuracies; the model is left as it was.
    """

    def __init__(self, train: tuple[np.ndarray, np.ndarray], batch_size: int = 32) -> None:
        """Draws the examples that are asked about.

        Args:
            train: Training inputs [n, ...] as the model takes them, and class indices [n] or one-hot [n, classes];
                512 of them are drawn where there are more.
            batch_size: The training batch size; batch statistics depend on it.

        Raises:
            DataRefused: These cannot be labelled examples.
        """
        super().__init__()
        split = split_of(train, "train")
        rows = np.random.default_rng(0).permutation(len(split.labels))[:_MOST_EXAMPLES]
        self._examples = Examples(split.inputs[rows], split.labels[rows])
        self._batch_size = batch_size
        self._num_classes = max(int(split.labels.max()) + 1, 2)

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """Measures the gap, and warns where it is surely above five points."""
        modes = self._modes()
        if logs is not None:
            logs["mode_gap"] = modes.difference
        if newcombe_paired(modes, CONFIDENCE).low > MODE_GAP:
            warnings.warn(
                f"epoch {epoch + 1}: of {modes.total} training examples {modes.first.value:.1%} are right in training "
                f"mode and {modes.second.value:.1%} in inference mode, which is what will be served. BatchNorm's "
                "statistics are not those of the data; frostgate.diagnose(model, train, validation) says why.",
                stacklevel=2,
            )

    def _modes(self) -> PairedCounts:
        examples = self._examples
        session = Session(
            self.model, look(self.model, self._num_classes), examples, examples, self._num_classes, self._batch_size
        )
        training, inference = (session.predict(examples.inputs, training=mode) for mode in (True, False))
        return PairedCounts.of(training == examples.labels, inference == examples.labels)
