"""What a full disk leaves in the metadata store, and what the next run makes of it."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.runners.failures import explain
from pipeline.runners.store import check
from tests.faults.world import in_a_namespace_of_its_own, mount_memory, resize, why_no_namespace

ROOT = Path(__file__).parents[2]
_NUM_EVENTS = 40


def test_events_that_a_full_disk_left_of_no_execution_are_removed(tmp_path: Path) -> None:
    if why := why_no_namespace():
        pytest.skip(f"this system lets nobody mount a small disk ({why})")
    # A process that mounts must have one thread.
    command = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, left, mended, sound = done.stdout.splitlines()
    assert explain(RuntimeError(said), "DataGate", "/output") == (
        "failed",
        1,
        "/output could not be written: No space left on device.",
    )
    # What is overlooked may change with another version of ML Metadata; then nothing has to be mended.
    assert int(left) > 0
    assert "rows of something that could not be written, as on a full disk, are removed." in mended
    assert sound == "0"


def _on_a_small_disk(folder: Path) -> None:
    """Prints what ML Metadata says of a full disk, how many events it leaves, and what `check` leaves of them."""
    in_a_namespace_of_its_own()
    mount_memory(folder)
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    path = folder / "metadata.sqlite"
    configuration = mlmd.ConnectionConfig()
    configuration.sqlite.filename_uri = str(path)
    configuration.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    store = MetadataStore(configuration)
    kind = store.put_artifact_type(mlmd.ArtifactType(name="Examples"))
    node = store.put_execution_type(mlmd.ExecutionType(name="DataGate"))
    ids = store.put_artifacts([mlmd.Artifact(type_id=kind, uri=f"/{n}") for n in range(_NUM_EVENTS)])
    artifacts = store.get_artifacts_by_id(ids)
    before = _of_nothing(path)
    said = ""
    # Which statement finds no room depends on how full the last page of each table is.
    for room in range(8, 64, 4):
        place = os.statvfs(folder)
        resize(folder, (place.f_blocks - place.f_bfree) * place.f_frsize + room * 1024)
        said = _filled(MetadataStore(configuration), mlmd, node, artifacts)
        resize(folder)
        if _of_nothing(path) > before:
            break
    print(said)
    print(_of_nothing(path))
    check(path)
    print(_of_nothing(path))


def _filled(store, mlmd, node: int, artifacts) -> str:  # type: ignore[no-untyped-def]
    """Records executions until there is no room; returns what is said then."""
    events = [(artifact, mlmd.Event(type=mlmd.Event.INPUT)) for artifact in artifacts]
    while True:
        try:
            store.put_execution(mlmd.Execution(type_id=node), events, [])
        except Exception as error:
            return str(error)


def _of_nothing(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        wanted = "SELECT count(*) FROM Event WHERE execution_id NOT IN (SELECT id FROM Execution)"
        (number,) = connection.execute(wanted).fetchone()
    return int(number)


if __name__ == "__main__":
    _on_a_small_disk(Path(sys.argv[1]))
