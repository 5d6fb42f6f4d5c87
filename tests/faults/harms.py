"""What can happen to a file."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Final


def _flip(path: Path, draw: Random) -> None:
    content = bytearray(path.read_bytes() or b"\0")
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def _truncate(path: Path, draw: Random) -> None:
    os.truncate(path, draw.randrange(max(path.stat().st_size, 1)))


def _append(path: Path, draw: Random) -> None:
    with path.open("ab") as file:
        file.write(draw.randbytes(draw.randint(1, 4096)))


def _zero(path: Path, draw: Random) -> None:
    """What a file system leaves of a page that never reached the disk."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(draw.randrange(max(size, 1)) // 4096 * 4096)
        file.write(bytes(min(4096, size - file.tell())) if size else b"\0")


def _make_a_folder(path: Path, draw: Random) -> None:
    path.unlink()
    path.mkdir()


def _remove_all(path: Path, draw: Random) -> None:
    shutil.rmtree(path.parent)


def _add(path: Path, draw: Random) -> None:
    path.with_name(f"new-{path.name}").write_bytes(path.read_bytes())


HARMS: Final[Mapping[str, Callable[[Path, Random], None]]] = {
    "a bit flipped": _flip,
    "truncated": _truncate,
    "emptied": lambda path, draw: os.truncate(path, 0),
    "removed": lambda path, draw: path.unlink(),
    "longer": _append,
    "a page of zeros": _zero,
    "a folder in its place": _make_a_folder,
    "its folder removed": _remove_all,
    "a file beside it": _add,
}


def harm(path: Path, how: str, draw: Random) -> bool:
    """Harms a file; False where that left everything as it was, as emptying an empty file does."""
    before = _look(path)
    HARMS[how](path, draw)
    return _look(path) != before


def _look(path: Path) -> tuple[bytes | None, tuple[str, ...]]:
    names = tuple(sorted(os.listdir(path.parent))) if path.parent.is_dir() else ()
    return path.read_bytes() if path.is_file() else None, names
