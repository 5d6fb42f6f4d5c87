"""Reading a log back; a damaged file costs what is behind the damage, and is named."""

import zlib
from collections.abc import Iterator
from gzip import BadGzipFile

import tensorflow as tf
from google.protobuf.message import DecodeError

from components.foreign import tfrecords
from components.foreign.files import Unreadable
from components.ingest import storage


class Damaged(Exception):
    """A file cannot be read to its end; everything before was handed out."""


def records(uri: str) -> Iterator[tf.train.Example]:
    """Yields a file's requests in the order in which they came.

    Raises:
        Damaged: After the last one that can be read.
    """
    try:
        with storage.opened(uri) as file:
            if not file.read(1):
                raise Damaged("it is empty")
            file.seek(0)
            for record in tfrecords.records(file):
                yield tf.train.Example.FromString(record)
    except DecodeError as error:
        raise Damaged(f"a record is no tf.train.Example ({error})") from error
    except Unreadable as error:
        raise Damaged(f"it {error}") from error
    # A checksum that is wrong, the end before its time, and what never was gzip's.
    except (ValueError, EOFError, zlib.error, BadGzipFile) as error:
        raise Damaged(str(error)[:200]) from error
