"""What MLflow holds after a push, after half a push, and after another."""

import contextlib
import itertools
import json
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import ViewType

from components.errors import DataRefused
from components.registry.mlflow_connection import reaching
from components.registry.mlflow_registry import MlflowRegistry
from components.registry.opening import existing_registry
from components.registry.protocol import (
    ModelRecord,
    Registered,
    RegisteredVersion,
    RegistryUnavailable,
)
from components.registry.publishing import publish
from components.registry.settings import RegistrySettings

pytestmark = pytest.mark.slow

Make = Callable[..., ModelRecord]


@pytest.fixture(params=["file", "server"])
def settings(request: pytest.FixtureRequest, file_settings: RegistrySettings) -> RegistrySettings:
    if request.param == "file":
        return file_settings
    address = request.getfixturevalue("mlflow_server")
    return RegistrySettings(uri=address, model_name=request.node.name.partition("[")[0])


def client(settings: RegistrySettings) -> MlflowClient:
    return MlflowClient(tracking_uri=settings.uri, registry_uri=settings.uri)


def found(registry: MlflowRegistry) -> RegisteredVersion:
    info = registry.champion()
    assert info is not None
    return info


def push(registry: MlflowRegistry, record: ModelRecord) -> Registered:
    """As the node does: only what passed becomes the champion."""
    return publish(registry, record, promote=record.decision == "PASS")


def numbers(settings: RegistrySettings) -> list[int]:
    return sorted(
        int(version.version) for version in client(settings).search_model_versions(f"name = '{settings.model_name}'")
    )


def test_a_run_carries_parameters_metrics_tags_and_artifacts(settings: RegistrySettings, make_record: Make) -> None:
    record = make_record(params={f"section.value_{number}": "x" * 7000 for number in range(120)})
    run_id = MlflowRegistry(settings).register(record).run_id
    run = client(settings).get_run(run_id)
    assert run.info.status == "FINISHED"
    assert len(run.data.params) == 120 and set(map(len, run.data.params.values())) == {6000}
    assert run.data.metrics == {"eval.accuracy": 0.9}
    assert record.tags.items() <= run.data.tags.items()
    assert sorted(file.path for file in client(settings).list_artifacts(run_id)) == ["Format-Serving", "verdict.json"]


STEPS = ["create_run", "log_batch", "log_artifacts", "log_artifact", "set_terminated", "create_registered_model",
         "create_model_version", "set_model_version_tag", "set_registered_model_alias"]  # fmt: skip


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_push_that_died_is_completed_by_the_next(
    settings: RegistrySettings, make_record: Make, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    settings = settings.model_copy(update={"model_name": f"died {moment} {step}"})
    registry, record = MlflowRegistry(settings), make_record()
    call = getattr(registry._client, step)

    def dying(*args: Any, **kwargs: Any) -> None:
        if moment == "after":
            call(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(registry._client, step, dying)
    with pytest.raises(KeyboardInterrupt):
        push(registry, record)
    # The alias is last: it is there only if everything else is.
    assert (MlflowRegistry(settings).champion() is not None) == (step == STEPS[-1] and moment == "after")
    registered = push(MlflowRegistry(settings), record)
    info = found(MlflowRegistry(settings))
    assert (info.version, info.fingerprint, info.run_id) == ("1", record.fingerprint, registered.run_id)
    assert numbers(settings) == [1]
    assert client(settings).get_run(registered.run_id).data.metrics == record.metrics


def test_an_upload_that_arrived_otherwise_is_no_version(
    settings: RegistrySettings, make_record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, record = MlflowRegistry(settings), make_record()
    upload = registry._client.log_artifacts

    def cut(run_id: str, folder: str, target: str | None) -> None:
        Path(folder, "saved_model.pb").write_text("gra")
        upload(run_id, folder, target)
        Path(folder, "saved_model.pb").write_text("graph")

    monkeypatch.setattr(registry._client, "log_artifacts", cut)
    with pytest.raises(RegistryUnavailable, match="the uploaded model hashes to"):
        push(registry, record)
    assert numbers(settings) == []
    assert push(MlflowRegistry(settings), record).version == "1"


REGISTER = """
import json, sys
from pathlib import Path
from components.registry.mlflow_registry import MlflowRegistry
from components.registry.protocol import ModelRecord
from components.registry.settings import RegistrySettings
arguments = json.loads(sys.argv[1])
artifacts = {Path(path): folder for path, folder in arguments["artifacts"].items()}
registry = MlflowRegistry(RegistrySettings(**arguments["settings"]))
print("ready", flush=True)
sys.stdin.readline()
print(registry.register(ModelRecord(**{**arguments["record"], "artifacts": artifacts})).version)
"""


def test_processes_registering_one_model_at_once_make_one_version_and_no_noise(
    settings: RegistrySettings, make_record: Make
) -> None:
    record = make_record()
    fields = {name: value for name, value in vars(record).items() if name != "artifacts"}
    artifacts = {str(path): folder for path, folder in record.artifacts.items()}
    arguments = json.dumps({"settings": settings.model_dump(), "record": fields, "artifacts": artifacts})
    command = [sys.executable, "-c", REGISTER, arguments]
    pipe = subprocess.PIPE
    several = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    for process in several:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    # All have paid for their imports: they really meet.
    told = [process.communicate("go\n") for process in several]
    assert len({number for number, _ in told}) == 1 and {noise for _, noise in told} == {""}
    assert numbers(settings) == [int(told[0][0])]
    assert (
        len(client(settings).search_runs([client(settings).get_experiment_by_name(settings.model_name).experiment_id]))
        == 1
    )


def test_all_who_look_before_anybody_made_a_version_end_with_one(mlflow_server: str, make_record: Make) -> None:
    settings = RegistrySettings(uri=mlflow_server, model_name="at once")
    record, everybody = make_record(), threading.Barrier(3)

    def register() -> str:
        registry = MlflowRegistry(settings)
        create = registry._create_version

        def create_with_the_others(*args: Any) -> None:
            everybody.wait(timeout=300)
            create(*args)

        registry._create_version = create_with_the_others  # type: ignore[method-assign, assignment]
        return push(registry, record).version

    with ThreadPoolExecutor(3) as pool:
        told = [future.result() for future in [pool.submit(register) for _ in range(3)]]
    assert len(set(told)) == 1 and numbers(settings) == [int(told[0])]
    assert found(MlflowRegistry(settings)).version == told[0]
    experiment = client(settings).get_experiment_by_name("at once")
    assert experiment is not None and len(client(settings).search_runs([experiment.experiment_id])) == 1


def test_versions_that_are_forgotten_leave_neither_rows_nor_files(
    file_settings: RegistrySettings, make_record: Make, tmp_path: Path
) -> None:
    registry = MlflowRegistry(file_settings)
    for contents in ("one", "two", "three"):
        registry.register(make_record(contents))
    registry.move_alias("3", None)
    folder = tmp_path / "the registry" / "mlartifacts"
    assert len(list(folder.rglob("saved_model.pb"))) == 3
    registry.forget(registry.versions()[:2])
    assert numbers(file_settings) == [3]
    assert [path.read_text() for path in folder.rglob("saved_model.pb")] == ["three"]
    experiment = client(file_settings).get_experiment_by_name("digits")
    assert experiment is not None
    assert len(client(file_settings).search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)) == 1
    with pytest.raises(DataRefused, match="Version 3 is the champion and cannot be removed"):
        registry.forget(registry.versions())
    assert numbers(file_settings) == [3]
    # Numbers are never given twice: whoever wrote down version 2 does not find another model.
    assert registry.register(make_record("four")).version == "4"


def test_a_registry_that_was_copied_is_refused_and_its_original_is_left_alone(
    tmp_path: Path, make_record: Make
) -> None:
    home = tmp_path / "home"
    settings = RegistrySettings(uri=f"sqlite:///{home}/mlflow.db", model_name="digits")
    for contents in ("one", "two"):
        MlflowRegistry(settings).register(make_record(contents))
    copy = shutil.copytree(home, tmp_path / "copy")
    before = {path: path.read_bytes() for path in (home / "mlartifacts").rglob("*") if path.is_file()}
    assert before
    told = RegistrySettings(uri=f"sqlite:///{copy}/mlflow.db", model_name="digits")
    with pytest.raises(DataRefused) as refused:
        MlflowRegistry(told)
    said = str(refused.value)
    assert f"it has some in {home}/mlartifacts, for it was moved or copied from {home}." in said
    assert f"registry.uri=sqlite:///{home}/mlflow.db" in said and f"ln -s {copy} {home}" in said
    assert {path: path.read_bytes() for path in before} == before

    # What was moved goes on once its old place is a link.
    shutil.rmtree(home)
    home.symlink_to(copy)
    moved = MlflowRegistry(told)
    moved.forget(moved.versions()[:1])
    assert [version.version for version in moved.versions()] == ["2"]
    assert len(list(copy.glob("mlartifacts/*/artifacts"))) == 1


def test_models_that_somebody_keeps_elsewhere_are_forgotten_and_their_files_stay(
    tmp_path: Path, make_record: Make, caplog: pytest.LogCaptureFixture
) -> None:
    settings = RegistrySettings(uri=f"sqlite:///{tmp_path}/home/mlflow.db", model_name="digits")
    registry = MlflowRegistry(settings)
    client(settings).create_experiment("digits", (tmp_path / "elsewhere").as_uri())
    for contents in ("one", "two"):
        registry.register(make_record(contents))
    before = {path: path.read_bytes() for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()}
    registry = MlflowRegistry(settings)
    registry.forget(registry.versions()[:1])
    assert [version.version for version in registry.versions()] == ["2"]
    assert before and {path: path.read_bytes() for path in before} == before
    assert any("lie outside" in message for message in caplog.messages)


def test_a_server_forgets_versions_too(mlflow_server: str, make_record: Make) -> None:
    registry = MlflowRegistry(RegistrySettings(uri=mlflow_server, model_name="forgotten"))
    for contents in ("one", "two"):
        registry.register(make_record(contents))
    registry.forget(registry.versions()[:1])
    assert [version.version for version in registry.versions()] == ["2"]


def test_a_champion_whose_files_changed_is_refused(
    file_settings: RegistrySettings, make_record: Make, tmp_path: Path
) -> None:
    registry = MlflowRegistry(file_settings)
    push(registry, make_record())
    (stored,) = (tmp_path / "the registry" / "mlartifacts").rglob("saved_model.pb")
    stored.write_text("something else")
    with pytest.raises(DataRefused, match=r"version 1 of digits must hash to .* point the alias at another version"):
        registry.download(found(registry), tmp_path / "baseline")


def test_a_model_registered_by_hand_can_be_the_champion(
    file_settings: RegistrySettings, make_record: Make, tmp_path: Path
) -> None:
    registry = MlflowRegistry(file_settings)
    model = next(iter(make_record().artifacts))
    client(file_settings).create_registered_model("digits")
    client(file_settings).create_model_version("digits", str(model))
    client(file_settings).set_registered_model_alias("digits", "champion", "1")
    info = found(registry)
    assert (info.version, info.run_id, info.fingerprint) == ("1", "", "")
    registry.download(info, tmp_path / "baseline")
    assert (tmp_path / "baseline" / "Format-Serving" / "saved_model.pb").read_text() == "graph"


def test_a_server_that_is_down_is_given_up_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    # Port 9 is discard; nothing listens there.
    registry = MlflowRegistry(RegistrySettings(uri="http://user:canary@127.0.0.1:9", model_name="digits"))
    start = time.monotonic()
    with pytest.raises(
        RegistryUnavailable,
        match=r"registry at http://127\.0\.0\.1:9 did not.*\(no connection to it held\).*the same again",
    ) as caught:
        registry.champion()
    assert time.monotonic() - start < 10
    assert "canary" not in str(caught.value)


def test_a_server_that_says_nothing_is_given_up_and_no_class_of_a_client_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RegistryUnavailable, match=r"\(it did not answer in time\)"):
            MlflowRegistry(RegistrySettings(uri=address, model_name="digits")).champion()


def test_what_a_database_says_is_told_and_not_what_was_asked_of_it() -> None:
    from sqlalchemy.exc import OperationalError

    wrapped = OperationalError("SELECT", {}, sqlite3.OperationalError("attempt to write a readonly database"))
    wrapped.add_detail("raised as a result of Query-invoked autoflush")
    with (
        pytest.raises(RegistryUnavailable, match=r"\(attempt to write a readonly database\)"),
        reaching("sqlite:///db"),
    ):
        raise wrapped


def test_patience_is_bounded_unless_the_user_says_otherwise(
    file_settings: RegistrySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    MlflowRegistry(file_settings)
    assert (os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"], os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]) == ("4", "7")
    assert logging.getLogger("alembic").level == logging.WARNING


def test_a_file_that_is_no_database_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("these are notes")
    with pytest.raises(ValueError, match=r"must be an SQLite database; .*mlflow.db is none"):
        MlflowRegistry(RegistrySettings(uri=f"sqlite:///{tmp_path}/mlflow.db", model_name="digits"))
    assert (tmp_path / "mlflow.db").read_text() == "these are notes"


def dying(at: int, make: Callable[[], object]) -> int:
    """Makes something in a process that is killed before its statement of that number; returns its exit code."""

    def die_at() -> None:
        left = itertools.count(at, -1)

        def look(*_: object) -> None:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", look)
        make()

    process = multiprocessing.get_context("fork").Process(target=die_at)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


@pytest.fixture(scope="module")
def num_statements(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many statements make a database."""
    seen: list[object] = []

    def count(*told: object) -> None:
        seen.append(told)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", count)
    MlflowRegistry(RegistrySettings(uri=f"sqlite:///{tmp_path_factory.mktemp('whole')}/mlflow.db", model_name="digits"))
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", count)
    return len(seen)


def test_a_registry_whose_making_was_killed_at_ten_moments_registers(
    absent_settings: RegistrySettings, make_record: Make, num_statements: int
) -> None:
    for moment in range(10):
        died = dying(moment * num_statements // 10, lambda: MlflowRegistry(absent_settings))
        assert died == -signal.SIGKILL, moment
    assert push(MlflowRegistry(absent_settings), make_record()).version == "1"
    folder = Path(absent_settings.uri.removeprefix("sqlite:///")).parent
    assert sorted(path.name for path in folder.iterdir()) == ["mlartifacts", "mlflow.db", "mlflow.db.lock"]


def test_a_database_that_another_process_left_half_made_is_named_and_kept(
    absent_settings: RegistrySettings, num_statements: int
) -> None:
    file = Path(absent_settings.uri.removeprefix("sqlite:///"))
    file.parent.mkdir()
    # As MLflow itself makes one, in its place.
    assert dying(num_statements // 2, lambda: MlflowClient(absent_settings.uri)) == -signal.SIGKILL
    with pytest.raises(DataRefused, match=r"database .*mlflow\.db was left half made .* move it away and run again"):
        MlflowRegistry(absent_settings)
    assert file.exists()


def test_another_programs_database_is_refused_and_not_written_to(absent_settings: RegistrySettings) -> None:
    file = Path(absent_settings.uri.removeprefix("sqlite:///"))
    file.parent.mkdir()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    before = file.read_bytes()
    with pytest.raises(DataRefused, match=r"mlflow\.db is another program's"):
        MlflowRegistry(absent_settings)
    assert file.read_bytes() == before


@pytest.mark.parametrize("uri", ["mysql+pymysql://ann:canary@host/db", "http://ann:canary@[::1"])
def test_an_address_that_cannot_be_opened_here_is_a_sentence(uri: str) -> None:
    sentence = r"must be an address that MLflow can open here.*install the database"
    with pytest.raises(DataRefused, match=sentence) as caught:
        MlflowRegistry(RegistrySettings(uri=uri, model_name="digits"))
    assert "canary" not in str(caught.value)


def test_an_empty_file_becomes_a_registry(absent_settings: RegistrySettings, make_record: Make) -> None:
    file = Path(absent_settings.uri.removeprefix("sqlite:///"))
    file.parent.mkdir()
    file.touch()
    assert push(MlflowRegistry(absent_settings), make_record()).version == "1"


@pytest.mark.parametrize("harm", ["gone", "damaged", "more"])
def test_files_that_somebody_removed_or_damaged_are_uploaded_again(
    file_settings: RegistrySettings, make_record: Make, tmp_path: Path, harm: str
) -> None:
    push(MlflowRegistry(file_settings), make_record())
    (stored,) = (tmp_path / "the registry" / "mlartifacts").rglob("saved_model.pb")
    if harm == "gone":
        shutil.rmtree(stored.parents[2])
    elif harm == "more":
        stored.with_name(".DS_Store").write_text("a file browser's")
    else:
        stored.write_text("something else")
    again = push(MlflowRegistry(file_settings), make_record())
    assert (again.version, again.already_registered) == ("1", True)
    assert stored.read_text() == "graph"


def test_a_registry_without_address_or_name_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a uri and a model name"):
        MlflowRegistry(RegistrySettings())


def test_looking_before_there_is_a_registry_makes_none(absent_settings: RegistrySettings, tmp_path: Path) -> None:
    assert existing_registry(absent_settings) is None
    assert not (tmp_path / "the registry").exists()


def test_the_adapter_is_imported_without_mlflow() -> None:
    code = "import sys, components.registry.mlflow_registry; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
