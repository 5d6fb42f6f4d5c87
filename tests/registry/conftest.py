"""A model to register, a registry in a file, a real MLflow server, and a stand-in for Kubeflow Model Registry's."""

import contextlib
import shutil
import sqlite3
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
from tests.servers import mlflow_in


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
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server of our own."""
    with mlflow_in(tmp_path_factory.mktemp("server")) as address:
        yield address
