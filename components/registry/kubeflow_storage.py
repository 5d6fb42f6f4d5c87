"""Models' files, of which a Kubeflow Model Registry keeps only the address: a folder, s3:// or gs://."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import file_digest, sha256
from io import BufferedReader
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem

from components.errors import DataRefused, first_line
from components.push_gate.fingerprint import directory_fingerprint, fingerprint_if_any
from components.registry.protocol import SAVED_MODEL, ModelRecord, RegistryUnavailable

_MANIFEST: Final = "manifest.json"
_PARAMETERS: Final = "parameters.json"
# Beside the model, not in it: its files are what is hashed.
_UNFINISHED: Final = ".unfinished"


class ModelStorage:
    """A folder for each model and decision, complete once its manifest is there."""

    def __init__(self, root: str) -> None:
        """Finds the storage; writes nothing yet.

        Args:
            root: A local folder, or an address that fsspec knows.

        Raises:
            DataRefused: Its protocol is unknown, or needs a package that is not installed.
        """
        self._address = root
        self._files, path = _file_system(root)
        self._root = path.rstrip("/")

    def keep(self, folder: str, record: ModelRecord) -> str:
        """Copies a model's files unless they are there already, unchanged, and reads them back.

        A copy that died is made again. Two at once write the same bytes, each file at one stroke.

        Args:
            folder: Below the root.
            record: The model, and what goes with it.

        Returns:
            The SavedModel's address.

        Raises:
            RegistryUnavailable: The storage cannot be written, or holds something else afterwards.
        """
        root = f"{self._root}/{folder}"
        with _reaching(self._address):
            # Another process may have written since this one last looked.
            self._files.invalidate_cache()
            model = self._files.unstrip_protocol(f"{root}/{SAVED_MODEL}")
            is_there = self._files.exists(f"{root}/{_MANIFEST}")
            if is_there and fingerprint_if_any(model) != record.fingerprint:
                self._files.rm(root, recursive=True)
                is_there = False
            if not is_there:
                self._copy(root, record)
            return str(model)

    def remove(self, folder: str) -> None:
        """Removes a model's files; nothing happens where there are none.

        Raises:
            RegistryUnavailable: The storage refuses.
        """
        with _reaching(self._address):
            self._files.invalidate_cache()
            if self._files.exists(f"{self._root}/{folder}"):
                self._files.rm(f"{self._root}/{folder}", recursive=True)

    def _copy(self, root: str, record: ModelRecord) -> None:
        copies = dict(_copies(record))
        hashes = {name: _hash(path.open("rb")) for name, path in copies.items()}
        for name, path in copies.items():
            self._place(root, name, hashes[name], partial(self._files.put_file, str(path)))
        self._write(root, _PARAMETERS, record.params)
        found = directory_fingerprint(self._files.unstrip_protocol(f"{root}/{SAVED_MODEL}"))
        if found != record.fingerprint:
            raise OSError(f"the uploaded model hashes to {found}, the judged one to {record.fingerprint}")
        self._write(root, _MANIFEST, {"fingerprint": record.fingerprint, "files": hashes})

    def _write(self, root: str, name: str, document: Mapping[str, Any]) -> None:
        content = json.dumps(document, indent=1).encode()
        expected = sha256(content).hexdigest()
        self._place(root, name, expected, lambda target: self._files.pipe_file(target, content))

    def _place(self, root: str, name: str, expected: str, write: Callable[[str], object]) -> None:
        """Shows a file when it was read back: who copies the same model now must not meet half of one."""
        unfinished, target = f"{root}/{_UNFINISHED}/{uuid4().hex}", f"{root}/{name}"
        if isinstance(self._files, LocalFileSystem):
            for path in (unfinished, target):
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        write(unfinished)
        if _hash(self._files.open(unfinished, "rb")) != expected:
            raise OSError(f"the uploaded {name} is not what was sent")
        self._files.mv(unfinished, target)


def fetch(source: str, folder: Path) -> None:
    """Copies a tree from wherever it is.

    Args:
        source: A local folder, or an address that fsspec knows.
        folder: Receives what is in it; made if absent.

    Raises:
        DataRefused: Its protocol is unknown, or needs a package that is not installed.
        RegistryUnavailable: It cannot be read, or holds no file.
    """
    files, path = _file_system(source)
    with _reaching(source):
        files.invalidate_cache()
        root = path.rstrip("/")
        names = [name for name in files.find(root) if name != root]
        if not names:
            raise FileNotFoundError("there is no folder with files")
        if any(".." in name.split("/") for name in names):
            raise PermissionError("a name in it leads out of it")
        for name in names:
            target = folder / name[len(root) + 1 :]
            target.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(name, str(target))


def _file_system(address: str) -> tuple[Any, str]:
    try:
        return fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise DataRefused(
            f"models are kept in a folder, s3:// or gs://; {address} cannot be opened here ({first_line(error)}). "
            "Name another one, or install frostgate[s3] or frostgate[gs]."
        ) from error


@contextmanager
def _reaching(address: str) -> Iterator[None]:
    try:
        yield
    # Every store has errors of its own, and many are no OSError.
    except Exception as error:
        raise RegistryUnavailable.at(address, first_line(error)) from error


def _copies(record: ModelRecord) -> Iterator[tuple[str, Path]]:
    for path, folder in record.artifacts.items():
        found = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
        root = path if path.is_dir() else path.parent
        yield from ((f"{folder}/{one.relative_to(root).as_posix()}".lstrip("/"), one) for one in sorted(found))


def _hash(file: BufferedReader) -> str:
    with file:
        return file_digest(file, "sha256").hexdigest()
