"""Whether what a run pushed is still there, on a real folder of served versions."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.push_gate.fingerprint import directory_fingerprint
from components.pusher.versions import push
from components.registry.protocol import FINGERPRINT, RegisteredVersion
from pipeline.runners.outside import missing


@pytest.fixture
def pushed(tmp_path: Path) -> Callable[..., RegisteredVersion]:
    """Pushes a model of these contents and tells what the registry holds of it."""

    def make(contents: str, number: str = "1", is_champion: bool = True) -> RegisteredVersion:
        model = tmp_path / contents
        model.mkdir()
        (model / "saved_model.pb").write_text(contents)
        fingerprint = directory_fingerprint(str(model))
        push(model, str(tmp_path / "models"), fingerprint)
        return RegisteredVersion(number, "", {FINGERPRINT: fingerprint}, "", 0, is_champion)

    return make


def test_a_champion_that_is_served_as_it_was_pushed_is_there(pushed: Callable, tmp_path: Path) -> None:
    version = pushed("model")
    assert missing(version, [version], str(tmp_path / "models")) is None


@pytest.mark.parametrize(
    "harm",
    [
        lambda models: shutil.rmtree(models),
        lambda models: shutil.rmtree(models / "1"),
        lambda models: (models / "1" / "saved_model.pb").write_text("modem"),
        lambda models: (models / "2").mkdir(),
    ],
)
def test_a_champion_that_is_not_what_is_served_is_missing(
    pushed: Callable, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    version = pushed("model")
    harm(tmp_path / "models")
    expected = f"{tmp_path}/models no longer serves version 1 as it was pushed."
    assert missing(version, [version], str(tmp_path / "models")) == expected


def test_an_emptied_registry_has_lost_the_model(pushed: Callable, tmp_path: Path) -> None:
    version, destination = pushed("model", is_champion=False), str(tmp_path / "models")
    assert missing(None, [], destination) == "The registry has lost the model that was pushed."
    assert missing(version, [version], destination) == "The registry has lost its champion."


def test_a_champion_that_a_person_chose_stays(pushed: Callable, tmp_path: Path) -> None:
    versions = [pushed("first"), pushed("second", "2", is_champion=False)]
    shutil.rmtree(tmp_path / "models")
    assert missing(versions[1], versions, str(tmp_path / "models")) is None
