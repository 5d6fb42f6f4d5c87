"""What ML Metadata remembers of a run's nodes."""

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.runners.errors import StoreUnusable

_OUTPUTS: Final = (mlmd.Event.OUTPUT, mlmd.Event.DECLARED_OUTPUT)
# Table, one of its columns, and the table of whose rows it names one; events before their paths.
_NAMES: Final = (
    ("Event", "execution_id", "Execution"),
    ("Event", "artifact_id", "Artifact"),
    ("EventPath", "event_id", "Event"),
    ("Association", "execution_id", "Execution"),
    ("Association", "context_id", "Context"),
    ("Attribution", "artifact_id", "Artifact"),
    ("Attribution", "context_id", "Context"),
    ("ArtifactProperty", "artifact_id", "Artifact"),
    ("ExecutionProperty", "execution_id", "Execution"),
    ("ContextProperty", "context_id", "Context"),
)


@dataclass(frozen=True)
class Execution:
    """A node's execution, as it was recorded."""

    is_cached: bool
    succeeded: bool
    outputs: Mapping[str, Path]
    """Artifact type, without the name of its library -> folder."""


def check(path: Path) -> None:
    """Refuses a damaged store before a run is started on it; it is never recreated in silence.

    Rows that belong to nothing are removed. On a full disk SQLite takes a whole transaction back, and ML Metadata,
    which overlooks that an event could not be written, writes the rest: events of an execution that is not there. The
    next execution gets that number, and would have another's inputs and outputs for its own.

    Raises:
        StoreUnusable: The file is no SQLite database, a damaged one, or of another version.
    """
    if not path.exists():
        return
    complaint = _complaint(path)
    if complaint is not None:
        raise StoreUnusable(
            f"{path} must be an ML Metadata store, but {complaint}. Restore it from a backup, or move it away to start "
            "with an empty history and cache; artifacts are kept beside the new ones, and models elsewhere."
        )
    _mend(path)


def _mend(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as connection, connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'MLMDEnv'").fetchone() is None:
            return
        removed = 0
        for table, column, named in _NAMES:
            of_nothing = f"FROM {table} WHERE {column} NOT IN (SELECT id FROM {named})"
            # To delete nothing would be to write, which a store on a read-only disk cannot.
            if connection.execute(f"SELECT 1 {of_nothing} LIMIT 1").fetchone():
                removed += connection.execute(f"DELETE {of_nothing}").rowcount
    if removed:
        print(f"{path}: {removed} rows of something that could not be written, as on a full disk, are removed.")


def _complaint(path: Path) -> str | None:
    if path.stat().st_size == 0:
        return "it is empty"
    try:
        # Not read-only: what a killed run left half-written is rolled back here.
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as connection:
            answer = connection.execute("PRAGMA quick_check").fetchone()[0]
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        return str(error)
    if answer != "ok":
        return " ".join(answer.split())
    if tables and "MLMDEnv" not in tables:
        return "it is a database of something else"
    return _version_complaint(path) if tables else None


def _version_complaint(path: Path) -> str | None:
    configuration = mlmd.ConnectionConfig()
    configuration.sqlite.filename_uri = str(path)
    configuration.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE
    try:
        MetadataStore(configuration)
    except RuntimeError as error:
        return str(error).partition(". ")[0]
    return None


def living(store: MetadataStore, kind: str) -> list[str]:
    """The addresses of a type's artifacts that the cache may hand out."""
    return [one.uri for one in store.get_artifacts_by_type(kind) if one.state == mlmd.Artifact.LIVE]


def forget(store: MetadataStore, uri: str) -> None:
    """Keeps the cache from handing out what lies at an address; the files stay."""
    artifacts = store.get_artifacts_by_uri(uri)
    for artifact in artifacts:
        artifact.state = mlmd.Artifact.DELETED
    store.put_artifacts(artifacts)


def read_execution(store: MetadataStore, execution_id: int) -> Execution:
    """Reads how an execution ended and where its outputs are, those found in the cache included."""
    (execution,) = store.get_executions_by_id([execution_id])
    events = store.get_events_by_execution_ids([execution_id])
    artifacts = store.get_artifacts_by_id([event.artifact_id for event in events if event.type in _OUTPUTS])
    state = execution.last_known_state
    return Execution(
        is_cached=state == mlmd.Execution.CACHED,
        succeeded=state in (mlmd.Execution.CACHED, mlmd.Execution.COMPLETE),
        outputs={artifact.type.rpartition(".")[2]: Path(artifact.uri) for artifact in artifacts},
    )
