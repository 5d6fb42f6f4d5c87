"""Removing what old runs left: rows of the metadata store first, then every folder that no row knows."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from pipeline.runners.errors import StoreUnusable
from pipeline.runners.place import check_place

# ML Metadata's own number for the layout of its tables; statements below were written for this one.
_SCHEMA_VERSION: Final = 10
_OF_RUNS: Final = (
    "SELECT Context.id FROM Context JOIN Type ON Context.type_id = Type.id "
    "WHERE Type.name = 'pipeline_run' AND Context.name LIKE ? || '-%'"
)
# In this order: an execution goes with its runs, an artifact with its executions, a cache entry with its executions.
_STATEMENTS: Final = (
    "DELETE FROM Association WHERE context_id IN gone",
    "DELETE FROM Attribution WHERE context_id IN gone",
    "DELETE FROM ContextProperty WHERE context_id IN gone",
    "DELETE FROM ParentContext WHERE context_id IN gone OR parent_context_id IN gone",
    "DELETE FROM Context WHERE id IN gone",
    "CREATE TEMP TABLE lost AS SELECT id FROM Execution WHERE id NOT IN (SELECT execution_id FROM Association "
    "JOIN Context ON Association.context_id = Context.id JOIN Type ON Context.type_id = Type.id "
    "WHERE Type.name = 'pipeline_run')",
    "DELETE FROM EventPath WHERE event_id IN (SELECT id FROM Event WHERE execution_id IN lost)",
    "DELETE FROM Event WHERE execution_id IN lost",
    "DELETE FROM Association WHERE execution_id IN lost",
    "DELETE FROM ExecutionProperty WHERE execution_id IN lost",
    "DELETE FROM Execution WHERE id IN lost",
    "CREATE TEMP TABLE dropped AS SELECT id FROM Artifact WHERE id NOT IN (SELECT artifact_id FROM Event)",
    "DELETE FROM Attribution WHERE artifact_id IN dropped",
    "DELETE FROM ArtifactProperty WHERE artifact_id IN dropped",
    "DELETE FROM Artifact WHERE id IN dropped",
    "CREATE TEMP TABLE unused AS SELECT Context.id FROM Context JOIN Type ON Context.type_id = Type.id "
    "WHERE Type.name = 'execution_cache' AND Context.id NOT IN (SELECT context_id FROM Association)",
    "DELETE FROM Attribution WHERE context_id IN unused",
    "DELETE FROM ContextProperty WHERE context_id IN unused",
    "DELETE FROM Context WHERE id IN unused",
)


def recorded_runs(store: Path) -> list[str]:
    """Returns the ids of the runs that a metadata store knows, killed ones too; none without a store."""
    if not store.exists():
        return []
    with _opened(store) as connection:
        names = connection.execute(
            "SELECT Context.name FROM Context JOIN Type ON Context.type_id = Type.id WHERE Type.name = 'pipeline_run'"
        ).fetchall()
    # The engine puts the moment behind the id.
    return sorted({"-".join(name.split("-")[:3]) for (name,) in names})


def forget_runs(store: Path, run_ids: Collection[str], artifacts: Path, dry_run: bool = False) -> list[Path]:
    """Deletes runs from a metadata store, with every execution and artifact that no other run uses.

    Args:
        store: ML Metadata's SQLite file; may be absent.
        run_ids: As `recorded_runs` gives them.
        artifacts: TFX's pipeline root.
        dry_run: Whether the store is left as it is.

    Returns:
        Every folder of artifacts and executions that no row knows then; what a killed prune left is among them.

    Raises:
        StoreUnusable: The store is of another version than this was written for, or was moved here with its folder.
    """
    if not store.exists():
        return []
    check_place(store, artifacts)
    with _opened(store) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TEMP TABLE gone (id INTEGER)")
        for run_id in run_ids:
            connection.execute(f"INSERT INTO gone {_OF_RUNS}", (run_id,))
        for statement in _STATEMENTS:
            connection.execute(statement)
        found = list(_unknown_folders(artifacts, connection))
        if dry_run:
            connection.rollback()
        else:
            connection.commit()
            # Gives the room back; without it the file would keep its largest size.
            connection.execute("VACUUM")
    return found


def _unknown_folders(artifacts: Path, connection: sqlite3.Connection) -> Iterator[Path]:
    # The folder may have been reached by another name, through a link, when an artifact was made.
    addresses = connection.execute("SELECT uri FROM Artifact WHERE uri IS NOT NULL")
    uris = [Path(os.path.realpath(uri)) for (uri,) in addresses]
    # A value's address is a file inside its folder.
    known = {place for uri in uris for place in (uri, uri.parent)}
    executions = {str(number) for (number,) in connection.execute("SELECT id FROM Execution")}
    for folder in sorted(artifacts.glob("*/.system/*/*")):
        if _is_numbered(folder, artifacts) and folder.name not in executions:
            yield folder
    for folder in sorted(artifacts.glob("*/[!.]*/*")):
        if _is_numbered(folder, artifacts) and Path(os.path.realpath(folder)) not in known:
            yield folder


def _is_numbered(folder: Path, artifacts: Path) -> bool:
    """Whether TFX may have made it: under a link to another place lies what is somebody else's."""
    return folder.name.isdigit() and Path(os.path.realpath(folder.parent)).is_relative_to(os.path.realpath(artifacts))


def size_of(path: Path) -> int:
    """Bytes of a file, or of everything in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def remove(path: Path) -> None:
    """Removes a file or folder; one that is gone already is fine, and of a link the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(store: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(
        sqlite3.connect(f"file:{store}?mode=rw", uri=True, timeout=30, isolation_level=None)
    ) as connection:
        try:
            (found,) = connection.execute("SELECT schema_version FROM MLMDEnv").fetchone()
        except (sqlite3.Error, TypeError) as error:
            raise StoreUnusable(f"{store} must be an ML Metadata store to be pruned; {error}.") from error
        if found != _SCHEMA_VERSION:
            raise StoreUnusable(
                f"{store} must have the layout {_SCHEMA_VERSION} of ML Metadata to be pruned; it has {found}. "
                "It was left as it is."
            )
        yield connection
