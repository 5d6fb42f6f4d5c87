"""Copies among the examples of a run, sought among all of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, Final, TypeVar

import numpy as np
import tensorflow as tf

from components.copies.counting import CopyCounts, what_counts
from components.copies.search import SIDE, Copies, find_copies
from components.copies.store import PictureFile
from components.push_gate.examples import SplitExamples, every_example
from components.push_gate.pictures import data_uri
from components.transform.decoding import decode_image

Item = TypeVar("Item")

_BATCH: Final = 64
_NUM_NAMED: Final = 2
_NUM_SHOWN: Final = 6


@dataclass(frozen=True)
class SplitCopies:
    """Which validation examples count, and what the others are."""

    copies: Copies
    training_labels: np.ndarray
    """int64, of the examples that `copies.seen` points at: all that training saw."""
    counting: np.ndarray
    """int64: positions of the validation examples that count, in order."""
    counts: CopyCounts
    shown: tuple[Mapping[str, Any], ...]
    """Some pairs of pictures that both splits hold, with thumbnails."""


def seek_copies(
    train_uris: Sequence[str], validation: SplitExamples, classes: Sequence[str], image_size: int
) -> SplitCopies:
    """Looks for the copies of every validation example, in all of training and in validation itself.

    Args:
        train_uris: Folders of all examples that training saw, those that said when to stop included; all are read,
            scored or not.
        validation: All validation examples.
        classes: Names in the order of the model's outputs.
        image_size: Side of the model's input; pictures are compared at this size or 64, whichever is less.
    """
    side = min(SIDE, image_size)
    ours, theirs, known = PictureFile(), PictureFile(), list[tuple[str, str]]()
    groups = set[bytes]()
    for batch in _batches(chain.from_iterable(map(every_example, train_uris))):
        theirs.append(_pixels([one.encoded for one in batch], side))
        known += [(one.uri, one.label) for one in batch]
        groups |= {one.group for one in batch}
    for positions in _batches(range(len(validation.rows))):
        ours.append(_pixels(validation.encoded(positions), side))
    index = {name: position for position, name in enumerate(classes)}
    training_labels = np.array([index.get(label, -1) for _, label in known], dtype=np.int64)
    parted = np.array([row.group in groups for row in validation.rows])
    copies = find_copies(theirs.array(), ours.array())
    counting, counts = what_counts(copies, validation.labels, training_labels, parted)
    shown = [
        {
            "validation": _picture(ours, mine, validation.rows[mine].uri, classes[validation.rows[mine].label]),
            "train": _picture(theirs, copies.seen[mine], *known[copies.seen[mine]]),
        }
        for mine in np.flatnonzero(copies.seen >= 0)[:_NUM_SHOWN]
    ]
    examples = tuple((pair["validation"]["uri"], pair["train"]["uri"]) for pair in shown[:_NUM_NAMED])
    return SplitCopies(copies, training_labels, counting, replace(counts, examples=examples), tuple(shown))


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def _picture(pictures: PictureFile, position: int, uri: str, label: str) -> dict[str, str]:
    return {"uri": uri, "label": label, "thumbnail": data_uri(pictures.array()[position])}


def _pixels(encoded: Sequence[bytes], side: int) -> np.ndarray:
    """uint8 [n, side, side, 3] of encoded pictures."""
    return _decoded(tf.constant(encoded, dtype=tf.string), tf.constant(side)).numpy()


@tf.function(
    input_signature=[tf.TensorSpec([None], tf.string, name="encoded"), tf.TensorSpec([], tf.int32, name="side")],
    autograph=False,
)
def _decoded(encoded: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    def read(one: tf.Tensor) -> tf.Tensor:
        small = tf.image.resize(tf.cast(decode_image(one), tf.float32), [side, side], method="bilinear", antialias=True)
        return tf.cast(tf.round(tf.clip_by_value(small, 0.0, 255.0)), tf.uint8)

    return tf.map_fn(read, encoded, fn_output_signature=tf.TensorSpec([None, None, 3], tf.uint8))
