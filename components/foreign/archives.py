"""Weights and arrays: what a file unpacks to is known before anything is unpacked.

Nothing here needs TensorFlow, so that a bad file is refused at once.
"""

import atexit
import io
import lzma
import math
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Sequence
from typing import IO, Any, Final

import h5py
import numpy as np

from components.foreign.files import Unreadable, opened, size_text

_MIB: Final = 2**20
# Trained weights hardly compress; what is compressed of them is an optimizer's zeros and what was never trained.
_RATIO_OF_WEIGHTS: Final = 20
_FREE_FOR_WEIGHTS: Final = 64 * _MIB
# Pictures with an empty background and one-hot labels compress well.
_RATIO_OF_ARRAYS: Final = 100
_FREE_FOR_ARRAYS: Final = 1024 * _MIB
# What is compressed has to fit into the memory of an ordinary machine; what is stored as it is may be larger.
_MOST_UNPACKED: Final = 16 * 1024 * _MIB
# A configuration of a thousand layers has less than one; one of nested lists takes 25 times its size in memory.
_MOST_JSON: Final = 16 * _MIB
# A large model has a few thousand; looking at one takes 20 us.
_MOST_OBJECTS: Final = 100_000
# A heap of texts, and its size in bytes (HDF5 File Format Specification 3.0, III.E).
_HEAP: Final = re.compile(rb"GCOL\x01...(.{8})", re.DOTALL)
_IN_MEMORY: Final = 256 * _MIB
_PIECE: Final = _MIB
_DAMAGE: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, LookupError, TypeError, OverflowError),
)


@atexit.register
def _close_hdf5() -> None:
    """Closes the files that a failed load left open.

    Keras reads HDF5 in a `.keras` file through a Python object. HDF5 closes what is open after Python has ended, and
    calls that object: the process crashes, and its exit code is lost.
    """
    for identifier in h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE):
        while identifier.valid:
            h5py.h5i.dec_ref(identifier)


def check_keras(path: str | os.PathLike[str]) -> bytes:
    """Checks a `.keras` file, every byte of it, against its checksums and what it may unpack to.

    Returns:
        Its `config.json`.

    Raises:
        Unreadable: It is damaged, no such file, or unpacks to more than a model's weights would.
    """
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            _check_sizes(archive, os.path.getsize(path), _RATIO_OF_WEIGHTS, _FREE_FOR_WEIGHTS)
            if "config.json" not in archive.namelist():
                raise Unreadable("is a zip file without config.json")
            for entry in archive.infolist():
                if entry.filename.endswith(".json") and entry.file_size > _MOST_JSON:
                    raise Unreadable(f"has a {entry.filename} of {size_text(entry.file_size)}")
                _check_entry(archive, entry)
            return archive.read("config.json")
    except Unreadable:
        raise
    except _DAMAGE as error:
        raise _damaged(error) from error


def check_h5(path: str | os.PathLike[str]) -> None:
    """Checks an HDF5 file of weights.

    Raises:
        Unreadable: It is damaged, unpacks to more than weights would, or has its data elsewhere.
    """
    try:
        with opened(path) as file:
            _check_h5(file)
    except Unreadable:
        raise
    except _DAMAGE as error:
        raise _damaged(error) from error


def check_arrays(path: str | os.PathLike[str], names: Collection[str]) -> list[str]:
    """Checks an `.npz` file.

    Args:
        path: The file.
        names: The arrays that are going to be read; the others may be of any kind.

    Returns:
        The names of all arrays.

    Raises:
        Unreadable: It is damaged, unpacks to more than pictures would, or one of `names` is no plain array.
    """
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            _check_sizes(archive, os.path.getsize(path), _RATIO_OF_ARRAYS, _FREE_FOR_ARRAYS)
            for entry in archive.infolist():
                if entry.filename.removesuffix(".npy") in names:
                    with archive.open(entry) as source:
                        _check_array(source, entry.file_size, entry.filename)
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except Unreadable:
        raise
    except _DAMAGE as error:
        raise _damaged(error) from error


def open_weights(path: str | os.PathLike[str]) -> h5py.File:
    """Opens the weights in a `.keras` or HDF5 file, which is checked first.

    Raises:
        Unreadable: As for `check_keras` and `check_h5`.
        OSError, KeyError: It has no weights.
    """
    if not str(path).endswith(".keras"):
        check_h5(path)
        return h5py.File(path)
    check_keras(path)
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        # The file stays readable after its folder is removed, because it is open.
        return h5py.File(archive.extract("model.weights.h5", folder))


def read_arrays(path: str | os.PathLike[str], names: Sequence[str]) -> list[np.ndarray]:
    """Reads arrays from an `.npz` file.

    Raises:
        Unreadable: As for `check_arrays`; or one of `names` is missing.
        MemoryError: They do not fit into memory.
    """
    check_arrays(path, names)
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except _DAMAGE as error:
        raise _damaged(error) from error


def parse_array(data: bytes) -> np.ndarray:
    """Reads an array from the bytes of an `.npy` file.

    Raises:
        Unreadable: It is damaged, or no plain array.
    """
    try:
        _check_array(io.BytesIO(data), len(data), "it")
        return np.load(io.BytesIO(data), allow_pickle=False)
    except Unreadable:
        raise
    except _DAMAGE as error:
        raise _damaged(error) from error


def _check_sizes(archive: zipfile.ZipFile, size: int, ratio: int, free: int) -> None:
    # Python reads no more of an entry than the directory says.
    _check_unpacked(sum(entry.file_size for entry in archive.infolist()), size, ratio, free)


def _check_unpacked(unpacked: int, size: int, ratio: int, free: int) -> None:
    most = max(size, min(free + ratio * size, _MOST_UNPACKED))
    if unpacked > most:
        raise Unreadable(
            f"unpacks from {size_text(size)} to {size_text(unpacked)}, and at most {size_text(most)} would be right"
        )


def _check_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    with archive.open(entry) as source, tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
        is_weights = entry.filename.endswith(".h5")
        # Reading to the end compares the checksum.
        while piece := source.read(_PIECE):
            if is_weights:
                copy.write(piece)
        if is_weights:
            _check_h5(copy)
        elif entry.filename.endswith(".npz"):
            raise Unreadable(f"has {entry.filename}; weights are expected in an .h5")


def _check_h5(file: IO[bytes]) -> None:
    size, longest, unpacked = file.seek(0, os.SEEK_END), _longest_text(file), 0
    with h5py.File(file, "r") as opened:
        if opened.id.get_create_plist().get_sizes() != (8, 8):
            raise Unreadable("is HDF5 with addresses or lengths of other than 64 bits, which Keras does not write")
        waiting: list[Any] = [opened]
        seen: set[int] = set()
        while waiting:
            one = waiting.pop()
            place = h5py.h5o.get_info(one.id).addr
            if place in seen:
                continue
            seen.add(place)
            if len(seen) > _MOST_OBJECTS:
                raise Unreadable(f"has more than {_MOST_OBJECTS} groups and arrays")
            unpacked += _bytes_of_attributes(one, longest)
            if isinstance(one, h5py.Group):
                waiting += [_linked(one, name) for name in one]
            else:
                unpacked += _bytes_of(one)
            _check_unpacked(unpacked, size, _RATIO_OF_WEIGHTS, _FREE_FOR_WEIGHTS)


def _linked(group: h5py.Group, name: str) -> Any:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise Unreadable(f"has a link instead of data at {f'{group.name}/{name}'[:200]!r}")
    return group[name]


def _bytes_of(one: Any) -> int:
    if not isinstance(one, h5py.Dataset):
        raise Unreadable(f"has something else than data at {str(one.name)[:200]!r}")
    if one.is_virtual or one.external:
        raise Unreadable(f"has its data elsewhere, at {str(one.name)[:200]!r}")
    # V is how bfloat16 is stored.
    if one.dtype.kind not in "uifbSV" or one.dtype.hasobject:
        raise Unreadable(f"has no numbers but {one.dtype} at {str(one.name)[:200]!r}")
    # Of a chunk that is larger than its array, all is unpacked.
    return max(int(one.nbytes), math.prod(one.chunks or ()) * one.dtype.itemsize)


def _longest_text(file: IO[bytes]) -> int:
    """At most so many bytes has a text of variable length: each lies in one heap."""
    longest, rest = 0, b""
    file.seek(0)
    while piece := file.read(_PIECE):
        rest += piece
        longest = max([longest, *(int.from_bytes(size, "little") for size in _HEAP.findall(rest))])
        rest = rest[-15:]
    return longest


def _bytes_of_attributes(one: Any, longest: int) -> int:
    total = 0
    for name in one.attrs:
        stored = one.attrs.get_id(name)
        number = math.prod(stored.shape or ())
        if stored.dtype.hasobject and h5py.check_string_dtype(stored.dtype) is None:
            raise Unreadable(f"has neither text nor numbers in the attribute {name[:200]!r}")
        # HDF5 says how long they are by reading them, and all of them may be the longest.
        total += number * (longest if stored.dtype.hasobject and number > 1 else stored.dtype.itemsize)
    return total


def _check_array(source: IO[bytes], size: int, name: str) -> None:
    version = np.lib.format.read_magic(source)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise Unreadable(f"has no plain array in {name}")
    shape, _, dtype = read(source)
    if dtype.hasobject:
        raise Unreadable(f"has Python objects in {name}, which are not read")
    # numpy makes the array before it reads it.
    if source.tell() + math.prod(shape) * dtype.itemsize != size:
        raise Unreadable(f"is damaged ({name} is not as long as its shape {shape} says)")


def _damaged(error: BaseException) -> Unreadable:
    said = next(iter(str(error).splitlines()), type(error).__name__)
    return Unreadable(f"is damaged ({said[:200]})")
