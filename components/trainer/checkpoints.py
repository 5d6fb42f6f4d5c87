"""A phase's state on disk, so that a killed run continues to the same result."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np


@dataclass(frozen=True)
class Progress:
    """How far a phase has come."""

    epochs: tuple[dict[str, float], ...] = ()
    """One mapping of metrics an epoch, in order."""
    best_epoch: int = -1
    """The epoch with the lowest validation loss so far."""

    @property
    def best_loss(self) -> float:
        """The lowest validation loss so far; infinity before the first epoch."""
        return self.epochs[self.best_epoch]["eval_loss"] if self.best_epoch >= 0 else float("inf")


class PhaseCheckpoint:
    """Keeps a phase's newest and best state; each file is complete or absent."""

    def __init__(self, folder: Path, model: keras.Model) -> None:
        """Names the files.

        Args:
            folder: The phase's own folder.
            model: Compiled model whose variables and optimizer are kept.
        """
        self._folder = folder
        self._model = model
        folder.mkdir(parents=True, exist_ok=True)
        self._best = folder / "best.npz"

    def save(self, progress: Progress, is_best: bool) -> None:
        """Writes the state after an epoch; the best weights first, the epoch that vouches for them last."""
        if is_best:
            _write_arrays(self._best, self._weights())
        newest = self._folder / f"epoch-{len(progress.epochs):05d}.npz"
        _write_arrays(newest, [*self._weights(), *self._optimizer()])
        unfinished = self._folder / f"progress-{os.getpid()}"
        unfinished.write_text(json.dumps({"epochs": progress.epochs, "best_epoch": progress.best_epoch}))
        unfinished.replace(self._folder / "progress.json")
        for old in self._folder.glob("epoch-*.npz"):
            if old != newest:
                old.unlink()

    def restore(self) -> Progress:
        """Puts the newest complete state back into the model and its optimizer.

        Returns:
            How far the phase had come; nothing done when there is no checkpoint.
        """
        record = self._folder / "progress.json"
        if not record.exists():
            return Progress()
        state = json.loads(record.read_text())
        progress = Progress(tuple(state["epochs"]), state["best_epoch"])
        arrays = _read_arrays(self._folder / f"epoch-{len(progress.epochs):05d}.npz")
        _assign([*self._model.variables, *self._model.optimizer.variables], arrays)
        return progress

    def restore_best(self) -> None:
        """Puts the best epoch's weights back into the model."""
        _assign(self._model.variables, _read_arrays(self._best))

    def _weights(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self._model.variables]

    def _optimizer(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self._model.optimizer.variables]


def _write_arrays(path: Path, arrays: Sequence[np.ndarray]) -> None:
    unfinished = path.with_name(f"unfinished-{os.getpid()}.npz")
    np.savez(unfinished, *arrays)
    unfinished.replace(path)


def _read_arrays(path: Path) -> list[np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return [stored[f"arr_{index}"] for index in range(len(stored.files))]


def _assign(variables: Sequence[Any], arrays: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, arrays, strict=True):
        variable.assign(value)
