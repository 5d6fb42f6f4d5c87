"""What every registry does alike: after a push, another, a refused one, and when the champion moves."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from components.errors import DataRefused
from components.push_gate.fingerprint import directory_fingerprint
from components.registry.opening import existing_registry, open_registry
from components.registry.protocol import (
    BASELINE,
    DECISION,
    KERAS,
    REFERENCE,
    RUN_KEY,
    WITHDRAWN,
    ChampionMoved,
    ModelRecord,
    ModelRegistry,
    Registered,
    RegisteredVersion,
)
from components.registry.publishing import publish
from components.registry.settings import RegistrySettings

pytestmark = pytest.mark.slow

Make = Callable[..., ModelRecord]


@pytest.fixture(params=["mlflow file", "mlflow server", "kubeflow"])
def settings(request: pytest.FixtureRequest) -> RegistrySettings:
    if request.param == "mlflow server":
        address = request.getfixturevalue("mlflow_server")
        return RegistrySettings(uri=address, model_name=request.node.name.translate({ord("["): "-", ord("]"): None}))
    return request.getfixturevalue("file_settings" if request.param == "mlflow file" else "kubeflow_settings")


@pytest.fixture
def registry(settings: RegistrySettings) -> ModelRegistry:
    return open_registry(settings)


def champion(registry: ModelRegistry) -> RegisteredVersion:
    found = registry.champion()
    assert found is not None
    return found


def push(registry: ModelRegistry, record: ModelRecord) -> Registered:
    """As the node does: only what passed becomes the champion."""
    return publish(registry, record, promote=record.decision == "PASS")


def test_a_pushed_model_becomes_the_champion_and_comes_back_whole(
    registry: ModelRegistry, make_record: Make, tmp_path: Path
) -> None:
    record = make_record()
    assert registry.champion() is None and registry.versions() == []
    registered = push(registry, record)
    assert not registered.already_registered
    info = champion(registry)
    assert (info.version, info.run_id, info.is_champion) == (registered.version, registered.run_id, True)
    assert (info.fingerprint, info.run_key, info.baseline_token) == (record.fingerprint, "key-graph", "none")
    assert record.tags.items() <= info.tags.items() and info.source and info.created > 0
    assert registry.versions() == [info] == [registry.version(registered.version)]
    registry.download(info, tmp_path / "baseline")
    assert directory_fingerprint(str(tmp_path / "baseline" / "Format-Serving")) == record.fingerprint


@pytest.mark.parametrize("decision", ["BLOCK", "HOLD"])
def test_a_refused_model_is_recorded_and_the_champion_stays(
    registry: ModelRegistry, make_record: Make, decision: str
) -> None:
    good = push(registry, make_record(f"good {decision}"))
    bad = push(registry, make_record(f"bad {decision}", decision))
    assert registry.version(bad.version).tags[DECISION] == decision
    assert champion(registry).version != bad.version
    assert [version.version for version in registry.versions()][-2:] == [good.version, bad.version]


def test_a_first_model_that_was_refused_makes_no_champion(registry: ModelRegistry, make_record: Make) -> None:
    push(registry, make_record(decision="BLOCK"))
    assert registry.champion() is None


def test_the_same_model_again_makes_no_second_version_and_tells_who_asked_last(
    registry: ModelRegistry, make_record: Make
) -> None:
    record = make_record()
    first = push(registry, record)
    again = push(registry, make_record(tags={**record.tags, RUN_KEY: "later", BASELINE: first.version}))
    assert (again.version, again.run_id, again.already_registered) == (first.version, first.run_id, True)
    assert [version.version for version in registry.versions()] == [first.version]
    assert (champion(registry).run_key, champion(registry).baseline_token) == ("later", first.version)


def test_the_same_model_judged_otherwise_is_another_version(registry: ModelRegistry, make_record: Make) -> None:
    blocked = push(registry, make_record(decision="BLOCK"))
    passed = push(registry, make_record(decision="PASS"))
    assert blocked.version != passed.version == champion(registry).version


def test_the_alias_is_moved_from_the_expected_champion_only(registry: ModelRegistry, make_record: Make) -> None:
    one, two, three = (registry.register(make_record(contents)).version for contents in ("a", "b", "c"))
    registry.move_alias(one, None)
    with pytest.raises(ChampionMoved, match=f"{three} of .* was to replace no champion, but the champion is {one} now"):
        registry.move_alias(three, None)
    registry.move_alias(two, one)
    with pytest.raises(ChampionMoved, match=f"was to replace {one}, but the champion is {two} now"):
        registry.move_alias(three, one)
    registry.move_alias(two, one)  # It is already.
    assert champion(registry).version == two


def test_more_is_said_about_a_version_and_the_rest_stays(registry: ModelRegistry, make_record: Make) -> None:
    number = registry.register(make_record()).version
    before = registry.version(number).tags
    registry.tag(number, {WITHDRAWN: "Ada", "frostgate.audit.1": '{"by": "Ada"}'})
    registry.tag(number, {WITHDRAWN: ""})
    assert registry.version(number).tags == {**before, WITHDRAWN: "", "frostgate.audit.1": '{"by": "Ada"}'}


@pytest.mark.parametrize("number", ["999999", "7x", "none"])
def test_a_version_that_is_not_there_is_named(
    settings: RegistrySettings, registry: ModelRegistry, make_record: Make, number: str
) -> None:
    for _ in range(2):
        with pytest.raises(DataRefused, match=f"model {settings.model_name} has no version {number} in the registry"):
            registry.version(number)
        registry.register(make_record())


def test_versions_that_are_forgotten_are_gone_and_the_champion_stays(
    registry: ModelRegistry, make_record: Make
) -> None:
    one, _, three = (registry.register(make_record(contents)).version for contents in ("one", "two", "three"))
    registry.move_alias(three, None)
    registry.forget(registry.versions()[:2])
    assert [version.version for version in registry.versions()] == [three]
    with pytest.raises(DataRefused, match=f"has no version {one}"):
        registry.version(one)
    with pytest.raises(DataRefused, match=f"Version {three} is the champion and cannot be removed"):
        registry.forget(registry.versions())
    assert champion(registry).version == three


def test_a_model_that_was_forgotten_can_be_pushed_again(
    registry: ModelRegistry, make_record: Make, tmp_path: Path
) -> None:
    registry.register(make_record("one"))
    registry.register(make_record("two"))
    registry.forget(registry.versions()[:1])
    registered = push(registry, make_record("one"))
    assert not registered.already_registered
    # It is the newest now, as a prune has to see it.
    assert registry.versions()[-1] == champion(registry) == registry.version(registered.version)
    registry.download(champion(registry), tmp_path / "baseline")
    assert (tmp_path / "baseline" / "Format-Serving" / "saved_model.pb").read_text() == "one"


def test_looking_finds_the_champion(settings: RegistrySettings, registry: ModelRegistry, make_record: Make) -> None:
    registered = push(registry, make_record())
    found = existing_registry(settings)
    assert found is not None and champion(found).version == registered.version


def test_a_reference_comes_back_with_its_version_and_as_it_was(
    registry: ModelRegistry, make_record: Make, tmp_path: Path
) -> None:
    (tmp_path / "said").mkdir()
    (tmp_path / "said" / "examples.tfrecord.gz").write_bytes(b"answers")
    plain = make_record()
    expected = directory_fingerprint(str(tmp_path / "said"))
    record = replace(
        plain, tags={**plain.tags, REFERENCE: expected}, artifacts={**plain.artifacts, tmp_path / "said": "reference"}
    )
    push(registry, record)
    assert registry.download_reference(champion(registry), tmp_path / "here")
    assert directory_fingerprint(str(tmp_path / "here" / "reference")) == expected

    other = replace(champion(registry), tags={**champion(registry).tags, REFERENCE: "0" * 64})
    with pytest.raises(DataRefused, match=f"must hash to {'0' * 64}; its files hash to {expected}"):
        registry.download_reference(other, tmp_path / "there")


def test_a_version_without_a_reference_has_none(registry: ModelRegistry, make_record: Make, tmp_path: Path) -> None:
    push(registry, make_record())
    assert not registry.download_reference(champion(registry), tmp_path / "here")


def test_a_keras_file_comes_back_with_its_version_and_as_it_was(
    registry: ModelRegistry, make_record: Make, tmp_path: Path
) -> None:
    (tmp_path / "model.keras").write_bytes(b"weights")
    plain, expected = make_record(), sha256(b"weights").hexdigest()
    files = {**plain.artifacts, tmp_path / "model.keras": "Format-Keras"}
    push(registry, replace(plain, tags={**plain.tags, KERAS: expected}, artifacts=files))
    assert registry.download_keras(champion(registry), tmp_path / "here")
    assert (tmp_path / "here" / "Format-Keras" / "model.keras").read_bytes() == b"weights"

    other = replace(champion(registry), tags={**champion(registry).tags, KERAS: "0" * 64})
    with pytest.raises(DataRefused, match=f"must hash to {'0' * 64}; its files hash to {expected}"):
        registry.download_keras(other, tmp_path / "there")


def test_a_version_without_the_hash_of_its_keras_file_has_none(
    registry: ModelRegistry, make_record: Make, tmp_path: Path
) -> None:
    (tmp_path / "model.keras").write_bytes(b"weights")
    plain = make_record()
    push(registry, replace(plain, artifacts={**plain.artifacts, tmp_path / "model.keras": "Format-Keras"}))
    assert not registry.download_keras(champion(registry), tmp_path / "here")
    assert not (tmp_path / "here").exists()
