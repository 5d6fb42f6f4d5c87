"""Splits that are given as arrays in a file."""

import os
from typing import Final

import numpy as np

from components.errors import DataRefused
from components.foreign.archives import check_arrays
from components.foreign.archives import read_arrays as read_npz
from components.foreign.files import Unreadable

_NAMES: Final = ("x", "y")


def is_arrays(uri: str) -> bool:
    """Whether a split's address is that of an `.npz`."""
    return uri.lower().endswith(".npz")


def check_split(uri: str) -> None:
    """Looks into a split's file without TensorFlow; pictures are looked at when they are read.

    Raises:
        DataRefused: An `.npz` is missing or damaged, unpacks to more than pictures would, or has no plain x and y.
    """
    if not is_arrays(uri):
        return
    if not os.path.isfile(uri):
        raise DataRefused(f"{uri}: there is no such file.")
    try:
        names = check_arrays(uri, _NAMES)
    except Unreadable as error:
        raise DataRefused(f"{uri}: expected an .npz of plain arrays; it {error}.") from None
    if missing := [name for name in _NAMES if name not in names]:
        raise DataRefused(
            f"{uri}: expected arrays x and y; {' and '.join(missing)} missing, there are "
            f"{', '.join(names) or 'none'}. Write it with np.savez(path, x=inputs, y=labels)."
        )


def read_arrays(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads x and y.

    Raises:
        DataRefused: As for `check_split`; or they do not fit into memory.
    """
    check_split(path)
    try:
        inputs, labels = read_npz(path, _NAMES)
        return inputs, labels
    except MemoryError:
        raise DataRefused(f"{path}: expected arrays that fit into memory; give a part of them.") from None
    except Unreadable as error:
        raise DataRefused(f"{path}: expected an .npz of plain arrays; it {error}.") from None
