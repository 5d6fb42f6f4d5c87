"""Whether a metadata store still lies where it was made; a copy would go on in the folder that it was copied from."""

import contextlib
import itertools
import os
import sqlite3
from pathlib import Path

from pipeline.runners.errors import StoreUnusable


def check_place(store: Path, artifacts: Path) -> None:
    """Refuses a store that knows artifacts of another folder than its own.

    A link is no other folder: what counts is where an address leads.

    Args:
        store: ML Metadata's SQLite file; may be absent.
        artifacts: TFX's pipeline root, beside the store.

    Raises:
        StoreUnusable: Its folder was moved or copied, or is elsewhere by a link inside it.
    """
    own = Path(os.path.realpath(store.parent))
    if not Path(os.path.realpath(artifacts)).is_relative_to(own):
        raise StoreUnusable(
            f"{artifacts} must be a folder in {own}; it is a link to {os.path.realpath(artifacts)}, which other stores "
            f"may know too. Move what is there to {own}, or make the whole output folder the link."
        )
    elsewhere = next((uri for uri in _addresses(store) if not _is_inside(uri, artifacts, own)), None)
    if elsewhere is not None:
        before = _root_of(elsewhere, artifacts.name)
        raise StoreUnusable(
            f"{store} must know artifacts in {artifacts}; it knows {elsewhere}, for its folder was moved or copied "
            f"from {before}. No artifact was written or removed. A copy: go on with the original, or name an empty "
            "folder as output. A folder that was moved: move it back, or make a link of the old place: "
            f"ln -s {own} {before}"
        )


def take_place(store: Path, artifacts: Path) -> None:
    """Makes sure that a run can write beside a store: `check_place`, and no artifacts that a lost store knew.

    Those are moved aside and kept: a new store counts from one again, and would write among them.

    Raises:
        StoreUnusable: As `check_place`.
    """
    check_place(store, artifacts)
    if store.exists() or not artifacts.is_dir() or not any(artifacts.iterdir()):
        return
    numbered = (artifacts.with_name(f"{artifacts.name}-without-store-{number}") for number in itertools.count(1))
    aside = next(path for path in numbered if not path.exists())
    artifacts.rename(aside)
    print(f"{store} is not there; the artifacts that an earlier one knew are kept in {aside}.")


def _is_inside(uri: str, artifacts: Path, own: Path) -> bool:
    # Only a text comparison for nearly all of them: a store may know thousands.
    plain = ".." not in uri and uri.startswith(f"{artifacts}{os.sep}")
    return plain or Path(os.path.realpath(uri)).is_relative_to(own)


def _root_of(uri: str, name: str) -> Path:
    """The old folder of the pipeline, which holds the folder of artifacts; the address itself where it has none."""
    path = Path(uri)
    return next((above.parent for above in path.parents if above.name == name), path)


def _addresses(store: Path) -> list[str]:
    if not store.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=rw", uri=True, timeout=30)) as connection:
        try:
            return [uri for (uri,) in connection.execute("SELECT DISTINCT uri FROM Artifact WHERE uri > ''")]
        except sqlite3.Error:
            return []  # A run was killed before the tables were made; or whoever opens it next says what is wrong.
