"""Small pictures of a whole split in a temporary file, so that memory stays flat."""

import tempfile

import numpy as np

from components.copies.search import SIDE
from components.copies.shrinking import shrunk


class PictureFile:
    """Pictures one after another, at most 64 x 64, 12 KB each; the file goes when the object and its arrays do."""

    def __init__(self) -> None:
        """Opens an empty file."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the object)
        self._shape: tuple[int, ...] = (0, 0, 0)
        self._number = 0

    def __len__(self) -> int:
        """Number of pictures."""
        return self._number

    def append(self, pictures: np.ndarray) -> None:
        """Adds pictures, [k, height, width, channels], 0..255, all of one size."""
        small = np.round(shrunk(pictures.astype(np.float32), (SIDE, SIDE))).astype(np.uint8)
        assert self._number == 0 or small.shape[1:] == self._shape, "pictures of several sizes"
        self._shape = small.shape[1:]
        self._number += len(small)
        self._file.write(np.ascontiguousarray(small).tobytes())

    def array(self) -> np.ndarray:
        """uint8 [n, height, width, channels], n >= 1, read from the file as it is asked for."""
        self._file.flush()
        return np.memmap(self._file, dtype=np.uint8, mode="r", shape=(self._number, *self._shape))
