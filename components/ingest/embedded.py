"""Pictures for a first run that need no download: scikit-learn's handwritten digits."""

import hashlib
import io
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from components.errors import DataRefused
from components.ingest.settings import EMBEDDED_DIGITS, EMBEDDED_SOURCE_DIGITS

_DIGITS: Final[Mapping[str, range]] = {EMBEDDED_DIGITS: range(5, 10), EMBEDDED_SOURCE_DIGITS: range(0, 5)}
_SIDE: Final = 32
_COMPLETE: Final = ".complete"


def is_embedded(uri: str) -> bool:
    """Whether an address names data that ship with the project."""
    return uri.startswith("embedded:")


def materialise(uri: str, cache_dir: str) -> str:
    """Writes an embedded data set as a class-per-folder tree of 32 x 32 grey PNG files, unless it is there already.

    Safe to call from several processes at once: a folder appears complete or not at all.

    Args:
        uri: "embedded:digits-5-9" or "embedded:digits-0-4".
        cache_dir: Folder for such data; made if missing.

    Returns:
        The tree's path.

    Raises:
        DataRefused: There is no such data set.

    Source: UCI "Optical Recognition of Handwritten Digits", in sklearn.datasets.load_digits.
    """
    if uri not in _DIGITS:
        raise DataRefused(f"data.uri must be one of {', '.join(_DIGITS)} or an address; received {uri!r}.")
    target = Path(cache_dir).absolute() / uri.removeprefix("embedded:")
    write_once(lambda: _pictures(_DIGITS[uri]), target)
    return str(target)


def write_once(files: Callable[[], Mapping[str, bytes]], target: Path) -> None:
    """Writes a tree of PNG files unless it is there already, complete or not at all.

    Args:
        files: Makes the content by path below the target; the same every time.
        target: The tree's root.
    """
    if not _is_complete(target):
        _write_atomically(files(), target)


def _is_complete(folder: Path) -> bool:
    """Whether a tree is there as it was written; the log says which is not and is written again."""
    if not folder.is_dir():
        return False
    try:
        is_whole = (folder / _COMPLETE).read_text() == _digest(
            (path.relative_to(folder).as_posix(), path.read_bytes()) for path in folder.rglob("*.png")
        )
    except (OSError, ValueError):
        is_whole = False
    if not is_whole:
        logging.warning("%s is not what was written and counts as absent; it is written again.", folder)
    return is_whole


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(files):
        digest.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()


def _pictures(digits: range) -> dict[str, bytes]:
    from sklearn.datasets import load_digits  # Half a second that only a first run pays.

    data = load_digits()
    return {
        f"{label}/{position:04d}.png": _png(picture)
        for position, (picture, label) in enumerate(zip(data.images, data.target, strict=True))
        if label in digits
    }


def _png(picture: np.ndarray) -> bytes:
    grey = Image.fromarray(np.round(picture * (255.0 / 16.0)).astype(np.uint8))
    encoded = io.BytesIO()
    grey.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(encoded, format="PNG")
    return encoded.getvalue()


def _write_atomically(files: Mapping[str, bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        written = Path(scratch) / "data"
        for name, data in files.items():
            path = written / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.utime(path, (0, 0))  # The fingerprint covers times of change; these data are the same everywhere.
        (written / _COMPLETE).write_text(_digest(files.items()))
        _put(written, target)


def _put(written: Path, target: Path) -> None:
    try:
        written.rename(target)
    except OSError:
        if _is_complete(target):  # Another process was faster.
            return
        shutil.rmtree(target)
        written.rename(target)
