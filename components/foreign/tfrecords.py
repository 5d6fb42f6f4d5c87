"""TFRecord files, whose records' lengths are known before they are read."""

import gzip
from collections.abc import Iterator
from typing import BinaryIO, Final

from components.foreign.files import Unreadable, size_text

# Protobuf has no message above two GiB, and no picture that is accepted has a tenth of it.
_MOST_BYTES: Final = 2**29
_GZIP_MAGIC: Final = b"\x1f\x8b"


def records(file: BinaryIO) -> Iterator[bytes]:
    """Yields the records of a file, packed with gzip or not, and checks the checksums of each.

    Raises:
        Exception: Of one of many kinds, as zlib, gzip, the store and the checksums have them: the file is damaged, or
            a record too long.
    """
    from apache_beam.io.tfrecordio import _TFRecordUtil

    is_packed = file.read(2) == _GZIP_MAGIC
    file.seek(0)
    stream = _Bounded(gzip.GzipFile(fileobj=file) if is_packed else file)
    while (record := _TFRecordUtil.read_record(stream)) is not None:
        yield record


class _Bounded:
    """A stream of which nobody asks for more than a record may have."""

    def __init__(self, stream: gzip.GzipFile | BinaryIO) -> None:
        self._stream = stream

    def read(self, number: int) -> bytes:
        if number > _MOST_BYTES:
            raise Unreadable(f"has a record of {size_text(number)}, and at most {size_text(_MOST_BYTES)} are read")
        return self._stream.read(number)
