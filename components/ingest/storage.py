"""Files, wherever they are: local, gs:// or s3://, through fsspec."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import fsspec

from components.errors import DataRefused
from components.foreign import files

_IGNORED = {"thumbs.db", "desktop.ini"}
_VERSION_KEYS = ("ETag", "etag", "md5Hash", "LastModified", "updated", "mtime")
_EXTRA_OF_PROTOCOL = {"gs": "gs", "gcs": "gs", "s3": "s3", "s3a": "s3"}


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file as its folder's listing shows it."""

    path: str
    size: int
    version: str
    """Time of change or entity tag: another one when the content is another."""


def filesystem(uri: str) -> tuple[Any, str]:
    """Finds the file system of an address.

    Returns:
        fsspec's file system, and the path on it without a protocol.

    Raises:
        DataRefused: The protocol is unknown or its package is not installed.
    """
    protocol = uri.split("://")[0] if "://" in uri else "file"
    try:
        found, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        extra = _EXTRA_OF_PROTOCOL.get(protocol)
        advice = f"install frostgate[{extra}]" if extra else "use a local path, gs:// or s3://"
        raise DataRefused(f"{uri} cannot be opened because {protocol}:// is not available here; {advice}.") from error
    return found, path


@contextlib.contextmanager
def opened(uri: str, most: int | None = None) -> Iterator[BinaryIO]:
    """Opens a file for reading, wherever it is.

    Args:
        uri: Its address.
        most: At most so many bytes may it have; None: any number.

    Raises:
        DataRefused: As for `filesystem`.
        Unreadable: It is no file but a pipe or a device, or larger.
        Exception: Whatever its store raises.
    """
    store, path = filesystem(uri)
    if not is_local(store) and most is not None:
        # Where the store does not say, reading shows.
        files.check_size(store.size(path) or 0, most)
    with files.opened(path, most) if is_local(store) else store.open(path, "rb") as file:
        yield file


def with_protocol(files: Any, path: str) -> str:
    """Turns a path on a file system into an address that any process can open."""
    return path if is_local(files) else str(files.unstrip_protocol(path))


def is_local(files: Any) -> bool:
    """Whether a file system is this machine's."""
    return isinstance(files.protocol, tuple) and "file" in files.protocol


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that systems leave behind, and no data."""
    return name.startswith(".") or name.lower() in _IGNORED


def walk(files: Any, root: str) -> tuple[list[FileStamp], list[str]]:
    """Lists a tree without what is hidden.

    Returns:
        Every file, sorted by path; and every folder (object stores have none that are empty).
    """
    files.invalidate_cache()
    stamps: list[FileStamp] = []
    folders: list[str] = []
    for folder, subfolders, entries in files.walk(root, detail=True):
        for name in [name for name in subfolders if is_hidden(name)]:
            del subfolders[name]  # walk() does not enter what is taken out here.
        folders += [f"{folder}/{name}" for name in subfolders]
        # Consoles of object stores mark folders with an empty object, the folder's own name or none.
        stamps += [
            stamp(f"{folder}/{name}", info)
            for name, info in entries.items()
            if name and not is_hidden(name) and not str(info["name"]).endswith("/")
        ]
    return sorted(stamps, key=lambda one: one.path), sorted(folders)


def stamp(path: str, info: Mapping[str, Any]) -> FileStamp:
    """Takes size and version out of a listing's entry."""
    version = next((info[key] for key in _VERSION_KEYS if info.get(key)), None)
    return FileStamp(path, int(info.get("size") or 0), str(version))


def stamps_of(uris: Iterable[str]) -> dict[str, FileStamp]:
    """Stamps named files, with one listing a folder instead of one question a file.

    Returns:
        Address -> stamp; a file that does not exist has size -1.
    """
    listings: dict[str, tuple[str, dict[str, FileStamp]]] = {}
    found: dict[str, FileStamp] = {}
    for uri in sorted(set(uris)):
        head, slash, name = uri.rpartition("/")
        folder = head + slash or "."
        if folder not in listings:
            listings[folder] = _folder_stamps(*filesystem(folder))
        path, stamps = listings[folder]
        found[uri] = stamps.get(name) or FileStamp(f"{path}/{name}", -1, "missing")
    return found


def _folder_stamps(store: Any, folder: str) -> tuple[str, dict[str, FileStamp]]:
    """The folder's path, and a stamp for each name in it."""
    try:
        store.invalidate_cache()
        entries = store.ls(folder, detail=True)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return folder, {}
    stamps = [stamp(entry["name"], entry) for entry in entries if entry["type"] != "directory"]
    return folder, {one.path.rpartition("/")[2]: one for one in stamps}


def fingerprint(stamps: Iterable[tuple[str, FileStamp]], *content: bytes) -> str:
    """Digests a listing.

    Args:
        stamps: A name that does not depend on where the root is, and the stamp, for each file; in any order.
        content: Bytes that belong to the data themselves, such as a manifest's.

    Returns:
        Hex sha256.
    """
    digest = hashlib.sha256()
    for name, one in sorted(stamps, key=lambda pair: pair[0]):
        digest.update(f"{name}\0{one.size}\0{one.version}\n".encode(errors="surrogateescape"))
    for data in content:
        digest.update(b"\0" + hashlib.sha256(data).digest())
    return digest.hexdigest()
