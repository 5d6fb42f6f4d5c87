"""CIFAR-10 itself, where it is at hand: the pictures of a case, and a source task for its backbone."""

import contextlib
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

import numpy as np
from PIL import Image

from components.cases.pictures import SIDE, Files, png
from components.errors import DataRefused
from components.foreign.files import Unreadable, opened
from components.ingest.embedded import write_once
from components.ingest.storage import is_hidden

TARGET: Final = ("automobile", "dog", "frog", "ship")
SOURCE: Final = ("airplane", "bird", "cat", "deer", "horse", "truck")
# So many of each class, the first by name: enough for a wide margin, few enough for minutes on two cores.
_DRAWN: Final = dict.fromkeys(TARGET, 900) | dict.fromkeys(SOURCE, 1500)
# The source task sees its pictures in a third of their light: its statistics must be far from the target's, as
# ImageNet's are.
_DARKER: Final = 3
# A picture of CIFAR-10 has 1 to 3 KB.
_MOST_BYTES: Final = 64 * 1024
_EXPECTED: Final = "--data must be CIFAR-10, a folder of its class folders or a tar archive of one"

SETTINGS: Final = (
    # In minutes, on pictures of 32 pixels, a small network learns more than ResNet50 does.
    "backbone.kind=resnet8",
    "backbone.pretrain.orientations=1",
    "backbone.pretrain.epochs=4",
    "backbone.pretrain.batch_size=64",
)
"""`dotted.key=value` of a run on these pictures."""

Reader = Callable[[str], bytes]


@dataclass(frozen=True)
class Drawn:
    """Two class-per-folder trees of 32 x 32 PNG files."""

    target: Path
    source: Path


def draw(place: Path, folder: Path, wanted: Mapping[str, int] = _DRAWN) -> Drawn:
    """Writes a bounded draw of CIFAR-10, the same every time.

    Args:
        place: A folder that holds one folder a class, at any depth, or a tar archive of one; JPEG or PNG files.
        folder: Receives the trees; each is named by its content, and written unless it is there.
        wanted: Class -> how many of its pictures are drawn, the first by name.

    Raises:
        DataRefused: There is no CIFAR-10 in that place, or less than is to be drawn.
    """
    with _opened(place) as (names, read):
        pictures = dict(_pictures(_chosen(names, wanted, place), read, place))
    target = {name: png(picture) for name, picture in pictures.items() if _class_of(name) in TARGET}
    source = {name: png(picture // _DARKER) for name, picture in pictures.items() if _class_of(name) in SOURCE}
    return Drawn(_written(target, folder, "cifar10"), _written(source, folder, "cifar10-source"))


@contextlib.contextmanager
def _opened(place: Path) -> Iterator[tuple[list[str], Reader]]:
    """Yields the files' names in the order in which they are best read, and what reads one, cut off where too long."""
    if place.is_dir():
        names = [path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()]
        yield names, lambda name: _first_bytes(opened(place / name))
        return
    if not place.exists():
        raise DataRefused(f"{_EXPECTED}; there is nothing at {place}. Correct the path.")
    try:
        with opened(place) as file, tarfile.open(fileobj=file) as archive:
            members = {member.name: member for member in archive if member.isfile()}
            yield list(members), lambda name: _first_bytes(archive.extractfile(members[name]))
    except (Unreadable, tarfile.TarError, EOFError, zlib.error) as error:
        raise DataRefused(f"{_EXPECTED}; {place} is neither, or is damaged. Give one of the two.") from error


def _first_bytes(file: IO[bytes] | None) -> bytes:
    assert file is not None, "only files are asked for"
    with file:
        return file.read(_MOST_BYTES)


def _chosen(names: list[str], wanted: Mapping[str, int], place: Path) -> list[str]:
    """Returns the names of the pictures to draw, in the order given."""
    chosen: set[str] = set()
    for label, number in wanted.items():
        found = sorted(name for name in names if _class_of(name) == label and not is_hidden(PurePosixPath(name).name))
        if len(found) < number:
            raise DataRefused(
                f"{_EXPECTED}, with {number} pictures of {label} or more; {place} has {len(found)}. "
                f"Give what holds the folders {', '.join(sorted(wanted))}."
            )
        chosen.update(found[:number])
    return [name for name in names if name in chosen]


def _pictures(names: Sequence[str], read: Reader, place: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yields `CLASS/NUMBER.png` and uint8 [32, 32, 3]."""
    numbers = {name: position for position, name in enumerate(sorted(names))}
    for name in names:
        try:
            with Image.open(io.BytesIO(read(name)), formats=("JPEG", "PNG")) as picture:
                size = picture.size
                # The size is known before anything is decoded.
                pixels = np.asarray(picture.convert("RGB")) if size == (SIDE, SIDE) else None
        except (OSError, SyntaxError, ValueError) as error:
            raise DataRefused(f"{_EXPECTED}; {name} in {place} is no whole JPEG or PNG picture. Remove it.") from error
        if pixels is None:
            raise DataRefused(
                f"{_EXPECTED}, of pictures of {SIDE} x {SIDE} pixels; {name} in {place} has {size[0]} x {size[1]}. "
                "Give the pictures as they were published."
            )
        yield f"{_class_of(name)}/{numbers[name]:05d}.png", pixels


def _class_of(name: str) -> str:
    return PurePosixPath(name).parent.name


def _written(files: Files, folder: Path, name: str) -> Path:
    digest = hashlib.sha256(b"".join(key.encode() + hashlib.sha256(files[key]).digest() for key in sorted(files)))
    tree = folder.absolute() / f"{name}-{digest.hexdigest()[:12]}"
    write_once(lambda: files, tree)
    return tree
