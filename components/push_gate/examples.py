"""Ingested examples for scoring: labels in memory, encoded pictures on disk, so that memory stays flat."""

import heapq
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from schemas import features


@dataclass(frozen=True)
class Row:
    """What is kept in memory of one example."""

    uri: str
    label: int
    group: bytes
    """What it shares with the images that it must not be parted from."""
    slices: tuple[str, ...]
    """`feature=value` for every feature that is sliced by."""


class ImageStore:
    """Encoded pictures in one temporary file, by position."""

    def __init__(self) -> None:
        """Opens an empty store; the file goes when the store does."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the store)
        self._offsets = [0]

    def append(self, encoded: bytes) -> None:
        """Adds one picture at the end."""
        self._file.seek(self._offsets[-1])
        self._file.write(encoded)
        self._offsets.append(self._offsets[-1] + len(encoded))

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._offsets) - 1

    def __getitem__(self, index: int) -> bytes:
        """The picture at a position, 0 <= index < len."""
        self._file.seek(self._offsets[index])
        return self._file.read(self._offsets[index + 1] - self._offsets[index])


@dataclass(frozen=True)
class SplitExamples:
    """The examples of a split that are scored, in the order of their content hash whatever the shards were."""

    rows: tuple[Row, ...]
    images: ImageStore
    order: np.ndarray
    """int64 [n]: position in `images` of each row."""
    num_examples: int
    """Examples in the split, scored or not."""
    first: np.ndarray
    """int64: positions of the rows with a content hash that no row before has, in order."""

    @property
    def labels(self) -> np.ndarray:
        """int64 [n]."""
        return np.array([row.label for row in self.rows], dtype=np.int64)

    def encoded(self, positions: Sequence[int] | np.ndarray) -> list[bytes]:
        """The pictures of these rows."""
        return [self.images[int(self.order[position])] for position in positions]


def read_split(
    split_uri: str, classes: Sequence[str], slice_features: Sequence[str], limit: int | None
) -> SplitExamples:
    """Reads the examples of a split that are to be scored.

    Args:
        split_uri: Folder with `*.gz`, TFRecords of raw examples.
        classes: Names in the order of the model's outputs.
        slice_features: Raw features to slice by; bytes or integers.
        limit: Read only this many, the first by content hash; None for all.

    Raises:
        ValueError: There is no example; or a label is missing or not a class.
    """
    files = sorted(tf.io.gfile.glob(f"{split_uri.rstrip('/')}/*.gz"))
    chosen = None if limit is None else _first_by_hash(files, limit)
    index = {name: position for position, name in enumerate(classes)}
    images, found, num_examples = ImageStore(), [], 0
    for example in _examples(files):
        num_examples += 1
        content_hash = _only_bytes(example, features.CONTENT_HASH)
        if chosen is None or content_hash in chosen:
            found.append((content_hash, len(images), _row(example, index, slice_features)))
            images.append(_only_bytes(example, features.IMAGE_BYTES))
    if not found:
        raise ValueError(f"expected examples in {split_uri}; received none. Look at the ingest report.")
    found.sort(key=lambda item: item[:2])
    order = np.array([position for _, position, _ in found], dtype=np.int64)
    first = np.unique(np.array([content_hash for content_hash, *_ in found]), return_index=True)[1]
    return SplitExamples(tuple(row for *_, row in found), images, order, num_examples, np.sort(first))


@dataclass(frozen=True)
class Picture:
    """One example as it is stored."""

    encoded: bytes
    uri: str
    label: str
    group: bytes


def every_example(split_uri: str) -> Iterator[Picture]:
    """Reads a split as it lies there, one example after another.

    Args:
        split_uri: Folder with `*.gz`, TFRecords of raw examples.
    """
    for example in _examples(sorted(tf.io.gfile.glob(f"{split_uri.rstrip('/')}/*.gz"))):
        uri, label = (_only_bytes(example, key).decode("utf-8", "replace") for key in (features.URI, features.LABEL))
        group = _only_bytes(example, features.GROUP)
        yield Picture(_only_bytes(example, features.IMAGE_BYTES), uri, label, group)


def first_examples(split_uri: str, limit: int) -> list[tf.train.Example]:
    """Reads what belongs to the first rows of `read_split`, without the pictures.

    Args:
        split_uri: As there.
        limit: How many, at most.
    """
    files = sorted(tf.io.gfile.glob(f"{split_uri.rstrip('/')}/*.gz"))
    chosen, found = _first_by_hash(files, limit), []
    for position, example in enumerate(_examples(files)):
        content_hash = _only_bytes(example, features.CONTENT_HASH)
        if content_hash in chosen:
            del example.features.feature[features.IMAGE_BYTES]
            found.append((content_hash, position, example))
    found.sort(key=lambda item: item[:2])
    return [example for *_, example in found[:limit]]


def _first_by_hash(files: Sequence[str], limit: int) -> frozenset[bytes]:
    hashes = (_only_bytes(example, features.CONTENT_HASH) for example in _examples(files))
    return frozenset(heapq.nsmallest(limit, hashes))


def _examples(files: Sequence[str]) -> Iterator[tf.train.Example]:
    for record in tf.data.TFRecordDataset(list(files), compression_type="GZIP") if files else ():
        yield tf.train.Example.FromString(record.numpy())


def _row(example: tf.train.Example, index: Mapping[str, int], slice_features: Sequence[str]) -> Row:
    uri = _only_bytes(example, features.URI).decode("utf-8", "replace")
    label = _only_bytes(example, features.LABEL).decode("utf-8", "replace")
    if label not in index:
        raise ValueError(f"expected {uri} to have a label among the model's {len(index)} classes; received {label!r}.")
    slices = [f"{key}={value}" for key in slice_features for value in _values(example, key)]
    return Row(uri, index[label], _only_bytes(example, features.GROUP), tuple(slices))


def _values(example: tf.train.Example, key: str) -> list[str]:
    feature = example.features.feature[key]
    texts = [value.decode("utf-8", "replace") for value in feature.bytes_list.value]
    return texts + [str(value) for value in feature.int64_list.value]


def _only_bytes(example: tf.train.Example, key: str) -> bytes:
    values = example.features.feature[key].bytes_list.value
    if len(values) != 1:
        uri = b"".join(example.features.feature[features.URI].bytes_list.value).decode("utf-8", "replace")
        raise ValueError(f"expected one value of {key} in the example {uri!r}; received {len(values)}.")
    return values[0]
