"""Features of the frozen backbone, computed once and kept on disk.

A backbone that is frozen and in inference mode is a function of the image alone, so it has to see each image only once.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import absl.logging
import numpy as np
import tensorflow as tf

from components import whole_files
from components.foreign import json_text

_VALUES: Final = "values.bin"
_LABELS: Final = "labels.bin"


@dataclass(frozen=True)
class Features:
    """A split's embeddings, mapped from disk so that memory does not grow with the number of images."""

    values: np.ndarray
    """float32 [num_images, embedding_size]."""
    labels: np.ndarray
    """int32 [num_images]."""

    def __len__(self) -> int:
        return len(self.labels)


def embedded(folder: Path, embed: Callable[[tf.Tensor], tf.Tensor], batches: Iterable, embedding_size: int) -> Features:
    """Returns the features in `folder`, computing them if they are not there, not complete or not what was written.

    Args:
        folder: One split's cache; its name must change with whatever the features depend on.
        embed: Pixels float32 [batch, size, size, 3] to float32 [batch, embedding_size].
        batches: Pairs of pixels float32 [batch, size, size, 3] and label index int64 [batch].
        embedding_size: Number of features of an image.

    Raises:
        ValueError: An example has a label that is no class.
    """
    done = folder / "done.json"
    if done.exists():
        try:
            return _read(folder, embedding_size)
        # Reading a damaged file can raise anything.
        except Exception as error:
            absl.logging.warning(
                "The features in %s cannot be read (%s: %s) and count as absent; they are computed again.",
                folder,
                type(error).__name__,
                error,
            )
            shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count = _write(folder, embed, batches)
    facts = {"num_images": count} | {name: whole_files.sha256_of(folder / name) for name in (_VALUES, _LABELS)}
    # This file is written last: a folder without it was left by a killed run.
    whole_files.write_text(done, json.dumps(facts))
    return _mapped(folder, count, embedding_size)


def _read(folder: Path, embedding_size: int) -> Features:
    facts = json_text.read(folder / "done.json")
    for name in (_VALUES, _LABELS):
        if whole_files.sha256_of(folder / name) != facts[name]:
            raise ValueError(f"{name} is not what was written")
    return _mapped(folder, facts["num_images"], embedding_size)


def _mapped(folder: Path, count: int, embedding_size: int) -> Features:
    values = np.memmap(folder / _VALUES, np.float32, "r", shape=(count, embedding_size))
    labels = np.fromfile(folder / _LABELS, np.int32)
    if len(labels) != count:
        raise ValueError(f"{_LABELS} has {len(labels)} labels of {count} images")
    return Features(values, labels)


def _write(folder: Path, embed: Callable[[tf.Tensor], tf.Tensor], batches: Iterable) -> int:
    count = 0
    with open(folder / _VALUES, "wb") as values, open(folder / _LABELS, "wb") as labels:
        for pixels, label_index in batches:
            indices = label_index.numpy()
            if (indices < 0).any():
                raise ValueError(
                    "Every training and validation label must be one of the classes; received one that is not. "
                    "Let DataGate see the data first, or correct data.classes."
                )
            embed(pixels).numpy().astype(np.float32).tofile(values)
            indices.astype(np.int32).tofile(labels)
            count += len(indices)
    return count
