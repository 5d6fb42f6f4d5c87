"""A whole run, stopped in ways that are hard to stop, and failures that are hard to word."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.runners.errors import StoreUnusable
from pipeline.runners.failures import explain
from pipeline.runners.store import check

ROOT = Path(__file__).parents[2]


@pytest.mark.tfx
@pytest.mark.parametrize("behaviour", ["child", "wrap", "swallow"])
def test_a_run_is_stopped_within_seconds_whatever_it_is_doing(tmp_path, behaviour):
    command = [sys.executable, str(Path(__file__).with_name("conftest.py")), str(tmp_path), behaviour]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "witness.started").exists():
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 143
    (summary,) = (json.loads(path.read_text()) for path in tmp_path.rglob("runs/*/summary.json"))
    assert (summary["status"], summary["exit_code"]) == ("interrupted", 143)
    assert summary["message"] == "Terminated; the same command continues the run."
    assert "Traceback" not in said and "noise" not in said


@pytest.mark.tfx
def test_a_run_that_is_killed_is_listed_as_running_before_and_as_interrupted_after(tmp_path):
    from pipeline.runners.summaries import past_runs

    command = [sys.executable, str(Path(__file__).with_name("conftest.py")), str(tmp_path), "slow"]
    running = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "witness.started").exists():
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    (folder,) = tmp_path.rglob("runs")
    (alive,) = past_runs(folder)
    assert (alive.status, alive.message) == ("running", "The run goes on.")
    running.kill()
    running.wait()
    (killed,) = past_runs(folder)
    assert (killed.status, killed.exit_code, killed.run_id) == ("interrupted", 137, alive.run_id)
    assert killed.message == (
        "The process ended without a word: it was killed, or the machine stopped. The same command continues the run."
    )


@pytest.mark.tfx
def test_an_output_address_that_is_no_folder_is_refused(tmp_path, monkeypatch):
    from components.errors import DataRefused
    from pipeline.config import load
    from pipeline.runners.local import run

    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataRefused, match="output must be a folder of this machine; received gs://bucket/out"):
        run(load(None, ["output=gs://bucket/out"]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device", "/o/file"), "/o/file could not be written: No space left on device."),
        (OSError(30, "Read-only file system"), "/o could not be written: Read-only file system."),
        (RuntimeError("INTERNAL: database or disk is full"), "/o could not be written: No space left on device."),
        (ValueError("first line\nsecond"), "Trainer failed: ValueError: first line"),
        (KeyError(), "Trainer failed: KeyError"),
    ],
)
def test_a_failure_is_one_line(error, message):
    assert explain(error, "Trainer", "/o") == ("failed", 1, message)


def test_a_store_that_a_killed_run_left_half_written_is_mended_not_refused(tmp_path):
    store = tmp_path / "metadata.sqlite"
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE other (text)")
        connection.executemany("INSERT INTO other VALUES (?)", [("x" * 500,)] * 2000)
    kill = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('PRAGMA cache_size = 5')\n"
        "connection.execute(\"UPDATE other SET text = 'y' || text\")\n"
        "os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", kill, str(store)], check=False)
    assert store.with_name("metadata.sqlite-journal").exists()
    with pytest.raises(StoreUnusable, match="it is a database of something else"):
        check(store)
    with sqlite3.connect(store) as connection:
        assert connection.execute("SELECT count(*) FROM other WHERE text LIKE 'y%'").fetchone() == (0,)


def test_an_empty_store_and_one_of_another_version_are_named(tmp_path):
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(StoreUnusable, match=r"empty\.sqlite must be an ML Metadata store, but it is empty\. Restore"):
        check(tmp_path / "empty.sqlite")
    configuration = mlmd.ConnectionConfig()
    configuration.sqlite.filename_uri = str(tmp_path / "new.sqlite")
    configuration.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    MetadataStore(configuration)
    check(tmp_path / "new.sqlite")
    with sqlite3.connect(tmp_path / "new.sqlite") as connection:
        connection.execute("UPDATE MLMDEnv SET schema_version = 99")
    with pytest.raises(StoreUnusable, match="database version 99 is greater than library version 10"):
        check(tmp_path / "new.sqlite")
