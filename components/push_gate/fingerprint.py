"""Content address of a directory."""

import hashlib
from collections.abc import Mapping

import fsspec
from fsspec.implementations.local import LocalFileSystem

from components.whole_files import sha256_of

_CHUNK_BYTES = 1 << 20


def directory_fingerprint(path: str) -> str:
    """Hashes every file's relative path and content; time stamps, owners and empty directories do not matter.

    Args:
        path: Directory, local or a uri that fsspec knows.

    Returns:
        sha256 in hex.

    Raises:
        ValueError: There is no file under `path`, or one is a pipe or a device.
    """
    filesystem, root = fsspec.core.url_to_fs(path)
    root = root.rstrip("/")
    names = sorted(name[len(root) + 1 :] for name in filesystem.find(root))
    if not any(names):
        raise ValueError(f"expected a directory with files; received {path!r}, which has none. Check the path.")
    return fingerprint_of({name: _file_digest(filesystem, f"{root}/{name}").hex() for name in names})


def fingerprint_of(hashes: Mapping[str, str]) -> str:
    """Hashes the hashes of a directory's files.

    Args:
        hashes: POSIX path relative to the directory -> hex sha256, of every file in it.

    Returns:
        sha256 in hex, as `directory_fingerprint` has it.
    """
    digest = hashlib.sha256()
    for name in sorted(hashes):
        # Fixed-length parts: no two trees can run together into the same bytes.
        digest.update(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest() + bytes.fromhex(hashes[name]))
    return digest.hexdigest()


def fingerprint_if_any(path: str) -> str | None:
    """Returns the same; None for a directory that is not there or has no files."""
    filesystem, root = fsspec.core.url_to_fs(path)
    return directory_fingerprint(path) if filesystem.find(root) else None


def weights_fingerprint(saved_model: str) -> str | None:
    """Hashes what a SavedModel learnt, and not the names in its graph, which depend on what the process did before.

    Args:
        saved_model: Directory, local or a uri that fsspec knows.

    Returns:
        sha256 in hex; None for a model without variables.
    """
    return fingerprint_if_any(f"{saved_model.rstrip('/')}/variables")


def file_sha256(path: str) -> str:
    """Returns the hex sha256 of one file, local or a uri that fsspec knows."""
    filesystem, root = fsspec.core.url_to_fs(path)
    return _file_digest(filesystem, root).hex()


def _file_digest(filesystem: fsspec.AbstractFileSystem, path: str) -> bytes:
    if isinstance(filesystem, LocalFileSystem):
        return bytes.fromhex(sha256_of(path))
    digest = hashlib.sha256()
    with filesystem.open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()
