"""Whether what a step reads is still, byte for byte, what an earlier step wrote."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tfx.types.artifact import Artifact

from components.errors import ArtifactChanged, DataRefused
from components.foreign import json_text
from components.push_gate.fingerprint import fingerprint_of
from components.whole_files import sha256_of

# A text, which every metadata store hands back as it was: JSON of file -> hex sha256, or one hash of all that.
CONTENT: Final = "content"
_NUM_NAMED: Final = 3
_NO_FILE: Final = "0" * 64

# Address -> what the file system said of its files when they were read last, in this process, and their hashes.
_known: dict[str, tuple[Mapping[str, tuple[int, ...]], Mapping[str, str]]] = {}


def seal(outputs: Mapping[str, list[Artifact]], names_files: bool) -> None:
    """Writes down what a step left behind, for whoever reads it later.

    Args:
        outputs: The step's output artifacts by key; local, written.
        names_files: Whether every file's hash is kept, so that one which changed can be named; otherwise one hash of
            all is kept, which is short enough to be among the arguments of every step of a cluster.
    """
    for one in _flat(outputs):
        hashes = _hashes(one.uri)
        one.set_string_custom_property(CONTENT, json.dumps(hashes) if names_files else fingerprint_of(hashes))


def seal_of(artifact: Artifact) -> str:
    """What `seal` wrote down; empty where it did not."""
    return str(artifact.get_string_custom_property(CONTENT))


def check(inputs: Mapping[str, list[Artifact]]) -> None:
    """Lets a step read what is as it was written; what nobody sealed is let through.

    Raises:
        ArtifactChanged: An artifact is another one now; names its files where their hashes were kept.
    """
    for one in _flat(inputs):
        if expected := seal_of(one):
            found = _hashes(one.uri)
            if expected not in (json.dumps(found), fingerprint_of(found)):
                raise ArtifactChanged(one.uri, f"{_difference(expected, found)}, so nothing was made of it")


def _flat(artifacts: Mapping[str, list[Artifact]]) -> Iterable[Artifact]:
    return (one for listed in artifacts.values() for one in listed)


def _hashes(uri: str) -> Mapping[str, str]:
    """Hashes every file below an address, sorted; files that this process has read before are read again if changed."""
    stamps, hashes = _known.get(uri, ({}, {}))
    now = {name: _stamp(Path(uri, name)) for name in _files(uri)}
    found = {
        name: hashes[name] if stamp and stamps.get(name) == stamp else _sha256(Path(uri, name))
        for name, stamp in now.items()
    }
    _known[uri] = now, found
    return found


def _files(uri: str) -> list[str]:
    if os.path.isfile(uri):
        return [""]
    return sorted(
        os.path.relpath(os.path.join(folder, name), uri) for folder, _, names in os.walk(uri) for name in names
    )


def _sha256(path: Path) -> str:
    """Is of no content where there is none: a pipe, or a link to nowhere, which no step writes."""
    try:
        return sha256_of(path)
    except (OSError, DataRefused):
        return _NO_FILE


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _difference(expected: str, found: Mapping[str, str]) -> str:
    if not expected.startswith("{"):
        return "it is not what the step wrote"
    written: dict[str, Any] = json_text.parse(expected)
    changed = [name for name, sha256 in written.items() if name in found and found[name] != sha256]
    faults = [
        (names, word)
        for names, word in (
            (changed, "changed"),
            ([name for name in written if name not in found], "gone"),
            ([name for name in found if name not in written], "new"),
        )
        if names
    ]
    return "; ".join(f"{_some(names)} {'is' if len(names) == 1 else 'are'} {word}" for names, word in faults) + (
        " since the step wrote it"
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
    return ", ".join(names[:_NUM_NAMED]) + more
