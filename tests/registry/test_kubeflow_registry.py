"""What a Kubeflow Model Registry holds after a push, after half a push, and after two at once."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest

from components.errors import DataRefused
from components.push_gate.fingerprint import directory_fingerprint
from components.registry.kubeflow_registry import KubeflowRegistry
from components.registry.kubeflow_storage import ModelStorage
from components.registry.protocol import (
    FINGERPRINT,
    ChampionMoved,
    ModelRecord,
    Registered,
    RegisteredVersion,
    RegistryUnavailable,
)
from components.registry.publishing import publish
from components.registry.settings import RegistrySettings
from tests.registry.kubeflow_server import Fault, Json, KubeflowServer

pytestmark = pytest.mark.slow

Make = Callable[..., ModelRecord]
Moment = Literal["before", "after"]


def text(value: str) -> Json:
    return {"metadataType": "MetadataStringValue", "string_value": value}


def push(settings: RegistrySettings, record: ModelRecord) -> Registered:
    """As the node does: only what passed becomes the champion."""
    return publish(KubeflowRegistry(settings), record, promote=record.decision == "PASS")


def champion(settings: RegistrySettings) -> RegisteredVersion:
    found = KubeflowRegistry(settings).champion()
    assert found is not None
    return found


def assert_whole(server: KubeflowServer, settings: RegistrySettings, record: ModelRecord, folder: Path) -> None:
    """One model, one version, one artifact, all that is known of them, the files, and the alias."""
    ((model,), (version,)) = server.store.models(), server.store.versions(server.store.models()[0]["id"])
    (artifact,) = server.store.artifacts.values()
    properties = {key: value.get("string_value") for key, value in version["customProperties"].items()}
    assert version["name"] == f"{record.decision}-{record.fingerprint}" and version["state"] == "LIVE"
    assert record.tags.items() <= properties.items()
    assert version["customProperties"]["eval.accuracy"]["double_value"] == 0.9
    assert (artifact["name"], artifact["state"]) == ("Format-Serving", "LIVE")
    assert artifact["uri"] == properties["frostgate.source"]
    assert artifact["customProperties"][FINGERPRINT] == text(record.fingerprint)
    assert model["customProperties"]["frostgate.champion"] == text(version["id"])
    KubeflowRegistry(settings).download(champion(settings), folder)
    assert directory_fingerprint(str(folder / "Format-Serving")) == record.fingerprint


def test_a_version_carries_tags_metrics_files_and_what_a_model_server_asks(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make, tmp_path: Path
) -> None:
    record = make_record(params={"train.epochs": "3"})
    record = make_record(
        tags={**record.tags, "frostgate.sentence": "Sehr schön.", "mlflow.source.git.commit": "abc"},
        metrics={"eval.accuracy": 0.9, "eval.loss": 0.0, "share": 1.0},
    )
    registered = push(kubeflow_settings, record)
    version = kubeflow_server.store.contexts[registered.version]
    assert version["description"] == "Sehr schön." and "mlflow.source.git.commit" not in version["customProperties"]
    numbers = {key: one["double_value"] for key, one in version["customProperties"].items() if "double_value" in one}
    assert numbers == record.metrics
    (artifact,) = kubeflow_server.store.artifacts.values()
    assert (artifact["modelFormatName"], artifact["modelFormatVersion"]) == ("tensorflow", "2")
    folder = Path(kubeflow_settings.storage, "digits", f"PASS-{record.fingerprint}")
    assert artifact["uri"] == (folder / "Format-Serving").as_uri().replace("%20", " ")
    assert json.loads((folder / "parameters.json").read_text()) == {"train.epochs": "3"}
    manifest = json.loads((folder / "manifest.json").read_text())
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert kept - {"manifest.json", "parameters.json"} == set(manifest["files"]) == {
        "Format-Serving/saved_model.pb", "Format-Serving/variables/data", "verdict.json",
    }  # fmt: skip


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_push_that_died_at_any_request_is_completed_by_the_next(
    kubeflow_server: KubeflowServer,
    kubeflow_settings: RegistrySettings,
    make_record: Make,
    tmp_path: Path,
    moment: Moment,
) -> None:
    record, survived = make_record(), 0
    for last in range(1, 60):
        kubeflow_server.restart()
        settings = kubeflow_settings.model_copy(update={"storage": str(tmp_path / f"storage {last}")})
        kubeflow_server.fault = Fault(last, moment)
        try:
            push(settings, record)
            survived += 1
        except RegistryUnavailable:
            kubeflow_server.fault = None
            # What is listed is whole, and the alias is last.
            listed = KubeflowRegistry(settings).versions()
            assert all(record.tags.items() <= one.tags.items() and one.source for one in listed)
            assert len(kubeflow_server.store.artifacts) >= len(listed)
            assert listed or not any(model["customProperties"] for model in kubeflow_server.store.models())
        kubeflow_server.fault = None
        if survived:
            break
        push(settings, record)
        assert_whole(kubeflow_server, settings, record, tmp_path / f"{moment} {last}")
    assert survived and last > 15, f"a push made {last - 1} requests"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_copy_that_died_at_any_file_is_completed_by_the_next(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, moment: Moment,
) -> None:  # fmt: skip
    record, place, placed = make_record(), ModelStorage._place, 0

    def dying(self: ModelStorage, *args: Any) -> None:
        nonlocal placed
        placed += 1
        if moment == "after" or placed != last:
            place(self, *args)
        if placed == last:
            raise KeyboardInterrupt

    for last in range(1, 6):
        settings = kubeflow_settings.model_copy(update={"storage": str(tmp_path / f"storage {last}")})
        placed = 0
        with monkeypatch.context() as patched:
            patched.setattr(ModelStorage, "_place", dying)
            with pytest.raises(KeyboardInterrupt):
                push(settings, record)
        assert kubeflow_server.store.contexts == {}
        push(settings, record)
        assert_whole(kubeflow_server, settings, record, tmp_path / f"{moment} {last}")
        kubeflow_server.restart()
    assert placed == 5, "three files, the parameters, the manifest"


def test_an_answer_that_was_lost_once_is_asked_for_again(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make, tmp_path: Path
) -> None:
    record = make_record()
    for lost in range(1, 20):
        kubeflow_server.restart()
        kubeflow_server.fault = Fault(lost, "after", "status", 503, count=1)
        push(kubeflow_settings, record)
        assert_whole(kubeflow_server, kubeflow_settings, record, tmp_path / f"{lost}")


@pytest.mark.parametrize(
    "meeting", ["createRegisteredModel", "createModelVersion", "upsertModelVersionArtifact", "updateModelVersion"]
)
def test_pushes_of_one_model_at_once_make_one_version(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make, tmp_path: Path,
    meeting: str,
) -> None:  # fmt: skip
    record, everybody, met = make_record(), threading.Barrier(3), threading.local()

    def wait(operation: str) -> None:
        # Nobody has made it when all three ask for it.
        if operation == meeting and not everybody.broken and not getattr(met, "done", False):
            everybody.wait(20)
            everybody.abort()

    kubeflow_server.between = wait
    with ThreadPoolExecutor(3) as pool:
        told = [one.result() for one in [pool.submit(push, kubeflow_settings, record) for _ in range(3)]]
    assert len({one.version for one in told}) == 1
    assert_whole(kubeflow_server, kubeflow_settings, record, tmp_path / "fetched")


def test_the_champion_that_moves_meanwhile_is_seen(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make
) -> None:
    registry = KubeflowRegistry(kubeflow_settings)
    one, two, three = (registry.register(make_record(contents)).version for contents in ("a", "b", "c"))
    registry.move_alias(one, None)
    (model,) = kubeflow_server.store.models()
    asked: list[str] = []

    def overtaken(operation: str) -> None:
        asked.append(operation)
        # Just after the alias was set, and just before it is read again.
        if asked[-2:] == ["updateRegisteredModel", "getRegisteredModels"]:
            model["customProperties"]["frostgate.champion"] = text(three)

    kubeflow_server.between = overtaken
    with pytest.raises(ChampionMoved, match=f"version {two} of digits was to replace {one}, but .* is {three} now"):
        registry.move_alias(two, one)


def by_hand(server: KubeflowServer, settings: RegistrySettings, name: str, **version: Any) -> tuple[Json, Json]:
    """What somebody made with the registry's own tools."""
    nobody = {"description": "Digits.", "customProperties": {"team": text("vision")}, "state": "LIVE"}
    models = [one for one in server.store.models() if one["name"] == settings.model_name]
    model = (
        models[0]
        if models
        else server.store.create("contexts", {"name": settings.model_name} | nobody, "model", lambda _: True)
    )
    made = {"name": name, "registeredModelId": model["id"], "state": "LIVE"} | version
    return model, server.store.create("contexts", made, "version", lambda row: "registeredModelId" in row)


def artifact(server: KubeflowServer, version: Json, **fields: Any) -> Json:
    made = {"artifactType": "model-artifact", "name": "Format-Serving", "state": "UNKNOWN"} | fields
    found = server.store.create("artifacts", made, "artifact", lambda _: False)
    server.store.owners[found["id"]] = version["id"]
    return found


@pytest.mark.parametrize("state", ["LIVE", "ARCHIVED"])
@pytest.mark.parametrize("files", ["none", "bare", "elsewhere", "another's"])
def test_a_partial_record_is_completed(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make, tmp_path: Path,
    state: str, files: str,
) -> None:  # fmt: skip
    record = make_record()
    name, others = f"PASS-{record.fingerprint}", {"note": text("mine")}
    _, version = by_hand(kubeflow_server, kubeflow_settings, name, state=state, customProperties=others)
    fields = {"bare": {}, "elsewhere": {"uri": "s3://somewhere"}, "another's": {"name": "notes", "uri": "s3://notes"}}
    if files != "none":
        artifact(kubeflow_server, version, **fields[files])
    registered = push(kubeflow_settings, record)
    assert (registered.version, registered.already_registered) == (version["id"], state == "LIVE")
    if files == "another's":
        assert kubeflow_server.store.artifacts.pop("1")["uri"] == "s3://notes"
    assert_whole(kubeflow_server, kubeflow_settings, record, tmp_path / "fetched")
    assert champion(kubeflow_settings).tags["note"] == "mine"


def test_a_model_without_versions_keeps_what_others_said_of_it(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make
) -> None:
    model, version = by_hand(kubeflow_server, kubeflow_settings, "gone")
    model["state"] = "ARCHIVED"
    del kubeflow_server.store.contexts[version["id"]]
    assert KubeflowRegistry(kubeflow_settings).champion() is None
    registered = push(kubeflow_settings, make_record())
    assert model["customProperties"] == {"team": text("vision"), "frostgate.champion": text(registered.version)}
    assert (model["description"], model["state"]) == ("Digits.", "ARCHIVED")


def test_properties_of_every_kind_survive_what_is_said_later(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings
) -> None:
    theirs: dict[str, Json] = {
        "struct": {"metadataType": "MetadataStructValue", "struct_value": "e30="},
        "whole": {"metadataType": "MetadataDoubleValue", "double_value": 1},
        "number": {"metadataType": "MetadataIntValue", "int_value": "7"},
        "switch": {"metadataType": "MetadataBoolValue", "bool_value": False},
    }
    _, version = by_hand(kubeflow_server, kubeflow_settings, "v1", customProperties=theirs, author="Ada")
    for _ in range(2):
        KubeflowRegistry(kubeflow_settings).tag(version["id"], {"said": "later"})
    theirs["struct"]["struct_value"] = "{}"  # As the server gives it.
    assert version["customProperties"] == theirs | {"said": text("later")}
    assert (version["author"], version["state"]) == ("Ada", "LIVE")


def test_a_model_registered_by_hand_can_be_the_champion(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make, tmp_path: Path
) -> None:
    model, version = by_hand(kubeflow_server, kubeflow_settings, "v1")
    model["customProperties"]["frostgate.champion"] = text(version["id"])
    info = champion(kubeflow_settings)
    assert (info.version, info.tags, info.source, info.fingerprint) == (version["id"], {}, "", "")
    registry = KubeflowRegistry(kubeflow_settings)
    with pytest.raises(DataRefused, match=f"version {version['id']} of digits has no model artifact with an address"):
        registry.download(info, tmp_path / "baseline")
    artifact(kubeflow_server, version, name="v1", uri=str(next(iter(make_record().artifacts))))
    registry.download(info, tmp_path / "baseline")
    assert (tmp_path / "baseline" / "Format-Serving" / "saved_model.pb").read_text() == "graph"


def test_a_version_that_vanishes_meanwhile_is_one_sentence(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make
) -> None:
    def vanish(operation: str) -> None:
        if operation == "upsertModelVersionArtifact":
            del kubeflow_server.store.contexts["2"]

    kubeflow_server.between = vanish
    with pytest.raises(RegistryUnavailable, match="404 no model version found for id 2"):
        push(kubeflow_settings, make_record())


def test_what_was_registered_by_hand_keeps_its_files_when_it_is_forgotten(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make
) -> None:
    registered = push(kubeflow_settings, make_record())
    # As a folder it would be the whole storage.
    by_hand(kubeflow_server, kubeflow_settings, "..")
    registry = KubeflowRegistry(kubeflow_settings)
    registry.forget([one for one in registry.versions() if one.version != registered.version])
    assert [one.version for one in registry.versions()] == [registered.version]
    assert len(list(Path(kubeflow_settings.storage).rglob("saved_model.pb"))) == 1


def test_names_that_look_alike_are_told_apart(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make
) -> None:
    settings = [kubeflow_settings.model_copy(update={"model_name": name}) for name in ("a_b", "axb", "A_b")]
    versions = [push(one, make_record()).version for one in settings]
    assert len(set(versions)) == 3 and len(kubeflow_server.store.models()) == 3
    assert [champion(one).version for one in settings] == versions
    with pytest.raises(DataRefused, match=f"model a_b has no version {versions[1]}"):
        KubeflowRegistry(settings[0]).version(versions[1])


def test_lists_are_read_to_their_end(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make
) -> None:
    kubeflow_server.page_limit = 2
    told = [push(kubeflow_settings, make_record(f"{number}", "BLOCK")).version for number in range(5)]
    assert [one.version for one in KubeflowRegistry(kubeflow_settings).versions()] == told
    assert push(kubeflow_settings, make_record("4", "BLOCK")).already_registered


def test_a_champion_that_somebody_archived_is_still_the_champion(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make
) -> None:
    registered = push(kubeflow_settings, make_record())
    kubeflow_server.store.contexts[registered.version]["state"] = "ARCHIVED"
    registry = KubeflowRegistry(kubeflow_settings)
    assert registry.versions() == [champion(kubeflow_settings)]
    registry.tag(registered.version, {"said": "later"})
    assert kubeflow_server.store.contexts[registered.version]["state"] == "ARCHIVED"


def test_what_is_forgotten_takes_its_files_along_and_a_forgetting_that_died_goes_on(
    kubeflow_server: KubeflowServer, kubeflow_settings: RegistrySettings, make_record: Make
) -> None:
    registry = KubeflowRegistry(kubeflow_settings)
    for contents in ("one", "two", "three"):
        registry.register(make_record(contents))
    kubeflow_server.log.clear()
    # The champion, two of the first version, and its files are gone when the line goes dead.
    kubeflow_server.fault = Fault(3)
    with pytest.raises(RegistryUnavailable):
        registry.forget(registry.versions()[:2])
    kubeflow_server.fault = None
    registry.forget(registry.versions()[:2])
    assert [version.version for version in registry.versions()] == ["4"]
    kept = Path(kubeflow_settings.storage).rglob("saved_model.pb")
    assert [path.read_text() for path in kept] == ["three"]
