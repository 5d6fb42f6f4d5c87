"""A phase's state on disk, so that a killed run continues to the same result."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import absl.logging
import keras
import numpy as np

from components import whole_files
from components.foreign import json_text


@dataclass(frozen=True)
class Progress:
    """How far a phase has come."""

    epochs: tuple[dict[str, float | None], ...] = ()
    """One mapping of metrics an epoch, in order."""
    best_epoch: int = -1
    """The epoch with the lowest loss so far on the images that say when to stop."""

    @property
    def best_loss(self) -> float:
        """That loss; infinity where there is none."""
        loss = self.epochs[self.best_epoch]["stop_loss"] if self.best_epoch >= 0 else None
        return float("inf") if loss is None else loss


class PhaseCheckpoint:
    """Keeps a phase's newest and best state; each file is complete or absent."""

    def __init__(self, folder: Path, model: keras.Model) -> None:
        """Creates the folder and names the files in it.

        Args:
            folder: The phase's own folder.
            model: Compiled model whose variables and optimizer are kept.
        """
        self._folder = folder
        self._model = model
        folder.mkdir(parents=True, exist_ok=True)
        self._best = folder / "best.npz"
        self._record = folder / "progress.json"

    def save(self, progress: Progress, is_best: bool) -> None:
        """Writes the state after an epoch: the best weights first, and last the record that refers to them."""
        if is_best:
            _write_arrays(self._best, self._weights())
        newest = self._folder / f"epoch-{len(progress.epochs):05d}.npz"
        _write_arrays(newest, [*self._weights(), *self._optimizer()])
        state = {"epochs": progress.epochs, "best_epoch": progress.best_epoch}
        whole_files.write_text(self._record, json.dumps(state | {"sha256": _digest(state)}))
        for old in self._folder.glob("epoch-*.npz"):
            if old != newest:
                old.unlink()

    def restore(self) -> Progress:
        """Puts the newest complete state back into the model and its optimizer.

        Returns:
            How far the phase had come. Without a checkpoint, or where one of its files cannot be read, no epoch is
            done and the model stays as it was: the phase then trains to the same weights from its beginning.
        """
        if not self._record.exists():
            return Progress()
        everything = [*self._model.variables, *self._model.optimizer.variables]
        path = self._record
        try:
            progress = _read_progress(path)
            # The best weights are needed when the phase ends; to find them damaged then would be too late.
            path = self._best
            _read_arrays(path, self._model.variables)
            path = self._folder / f"epoch-{len(progress.epochs):05d}.npz"
            arrays = _read_arrays(path, everything)
        # Reading a damaged file can raise anything: BadZipFile, EOFError, KeyError, MemoryError.
        except Exception as error:
            absl.logging.warning(
                "%s cannot be read (%s: %s) and counts as absent; the phase is trained again from its beginning.",
                path,
                type(error).__name__,
                error,
            )
            # Whatever lies there, a folder too, would be in the way of what is written anew.
            shutil.rmtree(self._folder)
            self._folder.mkdir()
            return Progress()
        _assign(everything, arrays)
        return progress

    def restore_best(self) -> None:
        """Puts the best epoch's weights back into the model."""
        _assign(self._model.variables, _read_arrays(self._best, self._model.variables))

    def _weights(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self._model.variables]

    def _optimizer(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self._model.optimizer.variables]


def _write_arrays(path: Path, arrays: Sequence[np.ndarray]) -> None:
    unfinished = path.with_name(f"unfinished-{os.getpid()}.npz")
    np.savez(unfinished, *arrays)
    whole_files.put(unfinished, path)


def _read_arrays(path: Path, variables: Sequence[Any]) -> list[np.ndarray]:
    """Reads one array for each variable; reading compares each array with its checksum in the archive."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = [stored[f"arr_{index}"] for index in range(len(stored.files))]
    expected, received = [tuple(variable.shape) for variable in variables], [array.shape for array in arrays]
    if received != expected:
        raise ValueError(
            f"it holds {len(received)} arrays, which are not those of the model's {len(expected)} variables"
        )
    return arrays


def _read_progress(path: Path) -> Progress:
    state = json_text.read(path)
    if _digest({key: state[key] for key in ("epochs", "best_epoch")}) != state["sha256"]:
        raise ValueError("it is not what was written")
    return Progress(tuple(state["epochs"]), state["best_epoch"])


def _digest(state: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _assign(variables: Sequence[Any], arrays: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, arrays, strict=True):
        variable.assign(value)
