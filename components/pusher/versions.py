"""Numbered version directories for TensorFlow Serving: complete or absent, and one a content."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from filelock import Timeout

from components import whole_files
from components.foreign import json_text
from components.push_gate.fingerprint import fingerprint_of

# Inside the version, so that one rename publishes both; TensorFlow Serving reads nothing in assets.extra.
MANIFEST: Final = "assets.extra/frostgate_manifest.json"

_UNFINISHED_PREFIX: Final = ".unfinished-"
_LOCK: Final = ".push.lock"
_LOCK_TIMEOUT_SECONDS: Final = 600.0
# TensorFlow Serving reads 64 bits with a sign, and passes over what is more.
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True)
class PushedVersion:
    """Where a model is served from.

    Attributes:
        version: The directory's number, from 1.
        path: The version directory.
        already_there: The newest version already had this content; nothing was copied.
        damaged: A sentence for every version directory that is not what was pushed; they are left as they are.
    """

    version: int
    path: Path
    already_there: bool
    damaged: tuple[str, ...] = ()


def push(model_dir: Path, destination: str, fingerprint: str) -> PushedVersion:
    """Publishes a SavedModel as the newest version.

    Pushing what the newest version holds is a no-op. An older version with the same content does not count: servers
    load the highest number, so that content is published again.

    Args:
        model_dir: The SavedModel's folder.
        destination: The folder a model server watches; made if absent, on a mounted file system.
        fingerprint: What the folder must hold, as `directory_fingerprint` says it; whoever judged it knows.

    Returns:
        The version that now holds the model.

    Raises:
        ValueError: The destination is remote or cannot be written, the model has no files or is another one, or
            another push holds the destination for ten minutes.
        OSError: Copying failed; nothing was published.
    """
    root = local_folder(destination)
    hashes = file_hashes(model_dir)
    if not hashes:
        raise ValueError(f"a model to push must have files; received the empty folder {model_dir}. Train it again.")
    # What is copied below are these files or nothing: between a look at a model and its push there may be minutes.
    if (found := fingerprint_of(hashes)) != fingerprint:
        raise ValueError(f"the model to push must hash to {fingerprint}; {model_dir} hashes to {found}. Run again.")
    with _alone(root):
        _clean_up(root)
        damaged = tuple(text for version in versions(root) for text in _report(root / str(version), fingerprint))
        newest = _newest(root)
        if newest and _holds(root / str(newest), fingerprint):
            return PushedVersion(newest, root / str(newest), already_there=True, damaged=damaged)
        if newest == _LARGEST:
            raise ValueError(f"{root / str(newest)} has the largest number that there is; move it away and run again.")
        target = root / str(newest + 1)
        _publish(model_dir, target, {"fingerprint": fingerprint, "files": hashes})
    return PushedVersion(newest + 1, target, already_there=False, damaged=damaged)


def versions(root: Path) -> tuple[int, ...]:
    """The version numbers under `root`, ascending; what is not a positive number's folder is no version."""
    ours = (number for number, path in _numbered(root) if path.name == str(number) and path.is_dir())
    return tuple(sorted(number for number in ours if number > 0))


def _newest(root: Path) -> int:
    """The largest number that a server may read under `root`, 0 for none; also of what is no version: a file, `09`."""
    return max((number for number, _ in _numbered(root)), default=0)


def _numbered(root: Path) -> Iterator[tuple[int, Path]]:
    """Yields what has a number that a server may read, whatever it is."""
    for path in root.iterdir():
        if re.fullmatch(r"[0-9]+", path.name) and (number := int(path.name)) <= _LARGEST:
            yield number, path


def fingerprints_of(root: Path) -> dict[int, str]:
    """What every version under `root` holds: number -> fingerprint, empty where something else wrote it."""
    manifests = {number: _manifest(root / str(number)) for number in versions(root)}
    return {number: manifest["fingerprint"] if manifest else "" for number, manifest in manifests.items()}


def is_served(root: Path, fingerprint: str) -> bool:
    """Whether the newest version under `root`, which servers load, is this model, byte for byte."""
    newest = _newest(root) if root.is_dir() else 0
    return bool(newest) and _holds(root / str(newest), fingerprint)


def file_hashes(folder: Path) -> dict[str, str]:
    """Hashes every file but the manifest.

    Args:
        folder: Any folder.

    Returns:
        Hex sha256 by POSIX path relative to `folder`, sorted; empty folders leave no trace.
    """
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {path: whole_files.sha256_of(folder / path) for path in paths if path != MANIFEST}


def verify(version_dir: Path) -> tuple[str, ...]:
    """Compares a version directory with its manifest.

    Args:
        version_dir: A numbered folder.

    Returns:
        A sentence for every difference, each naming the path; empty when it is what was pushed.
    """
    manifest = _manifest(version_dir)
    if manifest is None:
        return (f"{version_dir}: no readable manifest; something else wrote this version",)
    expected: Mapping[str, str] = manifest["files"]
    found = file_hashes(version_dir)
    paths = sorted(path for path in {*expected, *found} if expected.get(path) != found.get(path))
    differences = tuple(f"{version_dir / path}: {_difference(path, expected, found)}" for path in paths)
    # Who changes a file can write its new hash into the manifest, too.
    if not differences and fingerprint_of(found) != manifest["fingerprint"]:
        return (f"{version_dir / MANIFEST}: changed since it was pushed",)
    return differences


def damage(version_dir: Path) -> tuple[str, ...]:
    """Says what `verify` says, and nothing of a version that something else wrote."""
    return verify(version_dir) if _manifest(version_dir) is not None else ()


def _difference(path: str, expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    if path not in found:
        return "missing"
    return "changed since it was pushed" if path in expected else "not in the manifest"


def _report(version_dir: Path, fingerprint: str) -> tuple[str, ...]:
    manifest = _manifest(version_dir)
    # Hashing every old version at each push would grow without bound; only the one that may stand in matters.
    return verify(version_dir) if manifest is None or manifest["fingerprint"] == fingerprint else ()


def _holds(version_dir: Path, fingerprint: str) -> bool:
    manifest = _manifest(version_dir)
    return manifest is not None and manifest["fingerprint"] == fingerprint and not verify(version_dir)


def _manifest(version_dir: Path) -> dict | None:
    try:
        manifest = json_text.read(version_dir / MANIFEST)
    except (OSError, ValueError):
        return None
    whole = isinstance(manifest, dict) and isinstance(manifest.get("files"), dict) and "fingerprint" in manifest
    return manifest if whole else None


def local_folder(destination: str) -> Path:
    """Makes a push destination if it is absent.

    Raises:
        ValueError: It is remote, or cannot be made.
    """
    if "://" in destination:
        raise ValueError(
            f"a push destination must be a path on a mounted file system; received {destination}. "
            "Mount the bucket or volume and give its path."
        )
    root = Path(destination).absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"a push destination must be a folder; {root} cannot be made: {error}.") from error
    return root


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    try:
        # The system drops a dead process's lock, so the file may stay.
        lock = whole_files.lock(root / _LOCK, _LOCK_TIMEOUT_SECONDS).acquire()
    except Timeout as error:
        raise ValueError(
            f"another push has held {root} for {_LOCK_TIMEOUT_SECONDS:g} seconds; end it and run again."
        ) from error
    except OSError as error:
        raise ValueError(f"a push destination must be writable; {root} is not: {error}.") from error
    with lock:
        yield


def _clean_up(root: Path) -> None:
    for leftover in root.glob(f"{_UNFINISHED_PREFIX}*"):
        # What is no folder was left by somebody else.
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)


def _publish(model_dir: Path, target: Path, manifest: Mapping) -> None:
    """Makes `target` appear in one rename, after every byte is on the disk and was read back."""
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED_PREFIX, dir=target.parent))
    try:
        for path in manifest["files"]:
            _copy(model_dir / path, unfinished / path)
        _write(unfinished / MANIFEST, json.dumps(manifest, indent=1).encode())
        if differences := verify(unfinished):
            raise OSError(f"the copy differs from {model_dir}: {differences[0]}; nothing was pushed")
        _sync_folders(unfinished, manifest["files"])
        # mkdtemp's 0700 and a strict umask would lock a model server out that runs as another user.
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        unfinished.rename(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    _sync(target)


def _write(target: Path, contents: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(contents)
    _sync(target)


def _sync_folders(folder: Path, paths: Mapping[str, str]) -> None:
    for parent in {parent for path in (*paths, MANIFEST) for parent in PurePosixPath(path).parents}:
        _sync(folder / parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
