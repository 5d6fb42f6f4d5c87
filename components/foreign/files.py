"""Opens what is a file, and of the size that it should be."""

import errno
import os
import stat
import zlib
from io import BufferedReader
from typing import BinaryIO, Final

_PIECE: Final = 2**20


class Unreadable(ValueError):
    """A file must not or cannot be read; the message goes on after its name: `is damaged (...)`."""


def opened(path: str | os.PathLike[str], most: int | None = None) -> BufferedReader:
    """Opens a local file for reading.

    Args:
        path: The file; links are followed.
        most: At most so many bytes may it have; None: any number.

    Raises:
        Unreadable: It is a pipe or a device, or larger.
        OSError: It is a folder, missing, a socket, or may not be read.
    """
    # A pipe that is opened otherwise waits for whoever writes into it.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    try:
        found = os.fstat(file.fileno())
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable("is a pipe or a device, and a file is expected")
        if most is not None:
            check_size(found.st_size, most)
    except BaseException:
        file.close()
        raise
    return file


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """Reads a local file of at most so many bytes.

    Raises:
        Unreadable, OSError: As for `opened`.
    """
    with opened(path, most) as file:
        return read_all(file, most)


def read_all(file: BinaryIO, most: int) -> bytes:
    """Reads an open file to its end, whatever its size was said to be.

    Raises:
        Unreadable: It has more than so many bytes.
    """
    data = bytearray()
    # To ask for all at once takes as much memory as was asked for.
    while piece := file.read(_PIECE):
        data += piece
        if len(data) > most:
            raise Unreadable(f"has more than {size_text(most)}")
    return bytes(data)


def unpacked(data: bytes, most: int) -> bytes:
    """Unpacks what gzip packed, to at most so many bytes.

    Raises:
        Unreadable: It is damaged, or unpacks to more.
    """
    unpacking = zlib.decompressobj(wbits=31)
    try:
        found = unpacking.decompress(data, most)
    except zlib.error as error:
        raise Unreadable(f"is damaged ({error})") from error
    if not unpacking.eof:
        raise Unreadable(f"is cut off, or unpacks to more than {size_text(most)}")
    return found


def check_size(size: int, most: int) -> None:
    """Checks a number of bytes.

    Raises:
        Unreadable: It is larger than it may be.
    """
    if size > most:
        raise Unreadable(f"has {size_text(size)}, and at most {size_text(most)} would be right")


def size_text(number: int) -> str:
    """A number of bytes for people."""
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number / 2**20:.1f} MiB"
