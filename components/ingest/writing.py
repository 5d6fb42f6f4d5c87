"""Shards of examples, complete or absent."""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import tensorflow as tf

# As TFX names them; any other prefix is not found by some readers.
_FILE: Final = "data_tfrecord-{shard:05d}-of-{num_shards:05d}.gz"


class ShardWriter:
    """Writes one shard of each split that has a picture in it."""

    def __init__(self, split_uris: Mapping[str, str], shard: int, num_shards: int) -> None:
        """Names the files; none is made before its first record.

        Args:
            split_uris: Split -> folder.
            shard: 0..num_shards - 1.
            num_shards: How many there are.
        """
        name = _FILE.format(shard=shard, num_shards=num_shards)
        self._paths = {split: f"{uri}/{name}" for split, uri in split_uris.items()}
        self._writers: dict[str, tf.io.TFRecordWriter] = {}

    def __enter__(self) -> Self:
        """Opens nothing yet."""
        return self

    def write(self, split: str, record: bytes) -> None:
        """Appends a record to the split's shard."""
        if split not in self._writers:
            self.open(split)
        self._writers[split].write(record)

    def open(self, split: str) -> None:
        """Begins the split's shard, which exists from then on even if it stays empty."""
        tf.io.gfile.makedirs(os.path.dirname(self._paths[split]))
        self._writers[split] = tf.io.TFRecordWriter(self._unfinished(split), "GZIP")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives complete shards their names; a bundle that Beam retries writes its own anew."""
        for split, writer in self._writers.items():
            writer.close()
            if error is None:
                tf.io.gfile.rename(self._unfinished(split), self._paths[split], overwrite=True)
            else:
                tf.io.gfile.remove(self._unfinished(split))

    def _unfinished(self, split: str) -> str:
        # Readers take every file of the folder, so what is not complete waits beside it.
        folder, name = os.path.split(self._paths[split])
        return f"{folder}-unfinished-{os.getpid()}-{name}"


def write_empty_shard(split_uri: str) -> None:
    """Writes a shard without a record to a split's folder."""
    with ShardWriter({"": split_uri}, 0, 1) as writer:
        writer.open("")
