"""A model to register, a registry in a file, a real MLflow server, and a stand-in for Kubeflow Model Registry's."""

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.push_gate.fingerprint import directory_fingerprint
from components.registry import kubeflow_connection
from components.registry.mlflow_connection import make_whole
from components.registry.protocol import BASELINE, DECISION, FINGERPRINT, RUN_KEY, ModelRecord
from components.registry.settings import RegistrySettings
from tests.registry.kubeflow_server import KubeflowServer


@pytest.fixture(scope="session")
def empty_registry(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A database as `make_whole` leaves it, which takes a second."""
    return made_once("registry", lambda folder: make_whole(folder / "mlflow.db")) / "mlflow.db"


@pytest.fixture
def absent_settings(tmp_path: Path) -> RegistrySettings:
    """Settings of a registry that is not there yet."""
    # The space is deliberate: addresses are built from paths.
    return RegistrySettings(uri=f"sqlite:///{tmp_path}/the registry/mlflow.db", model_name="digits")


@pytest.fixture
def file_settings(absent_settings: RegistrySettings, tmp_path: Path, empty_registry: Path) -> RegistrySettings:
    """Settings of a registry with nothing in it."""
    file = tmp_path / "the registry" / "mlflow.db"
    file.parent.mkdir()
    shutil.copyfile(empty_registry, file)
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        places = [database.parent.as_uri() for database in (empty_registry, file)]
        connection.execute("UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)", places)
    return absent_settings


@pytest.fixture
def kubeflow_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeflowServer]:
    """A server that every request of the test kept to the published API."""
    monkeypatch.setattr(kubeflow_connection, "_FIRST_WAIT_SECONDS", 0.0)
    monkeypatch.delenv(kubeflow_connection.TOKEN_FILE, raising=False)
    with KubeflowServer().running() as server:
        yield server
    assert server.violations == []


@pytest.fixture
def kubeflow_settings(kubeflow_server: KubeflowServer, tmp_path: Path) -> RegistrySettings:
    storage = str(tmp_path / "the storage")
    return RegistrySettings(kind="kubeflow", uri=kubeflow_server.address, storage=storage, model_name="digits")


@pytest.fixture
def make_record(tmp_path: Path) -> Callable[..., ModelRecord]:
    """Makes a record of a small folder that stands for a SavedModel; other contents, other fingerprint."""

    def make(contents: str = "graph", decision: str = "PASS", **changes: Any) -> ModelRecord:
        model = tmp_path / f"model-{contents}"
        (model / "variables").mkdir(parents=True, exist_ok=True)
        (model / "saved_model.pb").write_text(contents)
        (model / "variables" / "data").write_bytes(b"w" * 1000)
        (tmp_path / "verdict.json").write_text(f'{{"decision": "{decision}"}}')
        fingerprint = directory_fingerprint(str(model))
        tags = {FINGERPRINT: fingerprint, DECISION: decision, RUN_KEY: f"key-{contents}", BASELINE: "none"}
        return replace(
            ModelRecord(
                fingerprint=fingerprint,
                decision=decision,
                tags=tags,
                params={"train.epochs": "3"},
                metrics={"eval.accuracy": 0.9},
                artifacts={model: "Format-Serving", tmp_path / "verdict.json": ""},
            ),
            **changes,
        )

    return make


@pytest.fixture(scope="session")
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory, free_port: int) -> Iterator[str]:
    """The address of an MLflow server of our own, stopped at the end."""
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(free_port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment, start_new_session=True
        )
    address = f"http://127.0.0.1:{free_port}"
    try:
        _wait_for(address, server, folder / "log")
        yield address
    finally:
        # Its workers are in a session of its own, which has its number.
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"the MLflow server did not start: {log.read_text()[-2000:]}")
