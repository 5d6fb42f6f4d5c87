"""Features of the frozen backbone, computed once and kept on disk.

A backbone that is frozen and in inference mode is a function of the image alone, so nothing is lost by asking it once.
"""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf


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
    """Returns the features in `folder`, computing them if they are not there or not complete.

    Args:
        folder: One split's cache; its name must change with whatever the features depend on.
        embed: Pixels float32 [batch, size, size, 3] to float32 [batch, embedding_size].
        batches: Pixels and label index int64 [batch].
        embedding_size: Width of a row.

    Raises:
        ValueError: An example has a label that is no class.
    """
    done = folder / "done.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        count = _write(folder, embed, batches)
        # Written last: a folder without it belongs to a run that was killed.
        unfinished = folder / f"done-{os.getpid()}"
        unfinished.write_text(json.dumps({"num_images": count}))
        unfinished.replace(done)
    count = json.loads(done.read_text())["num_images"]
    values = np.memmap(folder / "values.bin", np.float32, "r", shape=(count, embedding_size))
    labels = np.fromfile(folder / "labels.bin", np.int32)
    return Features(values, labels)


def _write(folder: Path, embed: Callable[[tf.Tensor], tf.Tensor], batches: Iterable) -> int:
    count = 0
    with open(folder / "values.bin", "wb") as values, open(folder / "labels.bin", "wb") as labels:
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
