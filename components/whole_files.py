"""Files that appear complete or not at all, their hashes, and the locks beside them."""

import hashlib
import os
from pathlib import Path

from filelock import BaseFileLock, FileLock

from components.errors import DataRefused
from components.foreign import files


def write_text(path: Path, text: str) -> None:
    """Writes a text; a process that is killed meanwhile leaves what was there before, and a file that nobody reads.

    Raises:
        DataRefused: As `put`.
    """
    _clear(path)
    # Caches are shared: another process may write the same file.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)


def put(unfinished: Path, path: Path) -> None:
    """Puts a finished file of the same folder in its place.

    Raises:
        DataRefused: A folder lies there that is not empty.
    """
    _clear(path)
    unfinished.replace(path)


def lock(path: Path, timeout: float) -> BaseFileLock:
    """Returns the lock of a file, not taken yet, which gives up after some seconds.

    Raises:
        DataRefused: As `put`.
    """
    _clear(path)
    # What a thread took, another one may give back.
    return FileLock(path, timeout=timeout, thread_local=False)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Returns the hex sha256 of a local file.

    Raises:
        DataRefused: It is a pipe or a device, of which there may be no end.
        OSError: It is missing, or cannot be read.
    """
    try:
        with files.opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except files.Unreadable as error:
        raise DataRefused(f"{os.fspath(path)} {error}. Move it away.") from error


def _clear(path: Path) -> None:
    """Removes an empty folder that lies in a file's place: nobody loses anything, and every run would fail for it."""
    if path.is_dir() and not path.is_symlink():
        try:
            path.rmdir()
        except OSError as error:
            raise DataRefused(
                f"{path} must be a file, which a run writes; a folder lies there ({error.strerror}). Move it away."
            ) from error
