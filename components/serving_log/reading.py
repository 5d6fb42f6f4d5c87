"""Reading a log back; a damaged file costs what is behind the damage, and is named."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

from components.ingest import storage
from components.ingest.names import op_message


class Damaged(Exception):
    """A file cannot be read to its end; everything before was handed out."""


def records(uri: str) -> Iterator[tf.train.Example]:
    """Yields a file's requests in the order in which they came.

    Raises:
        Damaged: After the last one that can be read.
    """
    files, path = storage.filesystem(uri)
    with tempfile.TemporaryDirectory() as scratch:
        # TensorFlow knows fewer file systems than the log may be on.
        local = os.path.join(scratch, "part")
        files.get_file(path, local)
        if not Path(local).stat().st_size:
            raise Damaged("it is empty")
        try:
            for record in tf.data.TFRecordDataset(local, compression_type="GZIP"):
                yield tf.train.Example.FromString(record.numpy())
        except tf.errors.DataLossError as error:
            raise Damaged(op_message(error.message)) from error
        except DecodeError as error:
            raise Damaged(f"a record is no tf.train.Example ({error})") from error
