"""The champion that a run was given must still be the registry's, byte for byte."""

import json
from pathlib import Path

import pytest

from components.push_gate.fingerprint import directory_fingerprint
from components.registry.baseline import BASELINE, may_stand_for


@pytest.fixture
def fingerprint(tmp_path: Path) -> str:
    (tmp_path / "Format-Serving").mkdir()
    (tmp_path / "Format-Serving" / "saved_model.pb").write_text("graph")
    found = directory_fingerprint(str(tmp_path / "Format-Serving"))
    (tmp_path / "baseline.json").write_text(json.dumps({"version": "1", "fingerprint": found}))
    return found


def test_a_baseline_is_that_of_the_version_with_its_fingerprint(fingerprint: str, tmp_path: Path) -> None:
    assert may_stand_for(tmp_path, "1", fingerprint)
    # Another registry's version of the same number.
    assert not may_stand_for(tmp_path, "1", "e" * 64)
    # One that was forgotten since.
    assert may_stand_for(tmp_path, "1", "")


def test_a_baseline_whose_files_changed_is_none(fingerprint: str, tmp_path: Path) -> None:
    (tmp_path / "Format-Serving" / "saved_model.pb").write_text("grapi")
    assert not may_stand_for(tmp_path, "1", fingerprint)
    (tmp_path / "Format-Serving" / "saved_model.pb").unlink()
    assert not may_stand_for(tmp_path, "1", fingerprint)
    (tmp_path / "baseline.json").unlink()
    assert not may_stand_for(tmp_path, "1", fingerprint)


def test_a_champion_registered_by_hand_has_nothing_to_compare(tmp_path: Path) -> None:
    (tmp_path / "baseline.json").write_text('{"version": "1", "fingerprint": null}')
    assert may_stand_for(tmp_path, "1", "")


def test_another_versions_baseline_is_not_looked_at(fingerprint: str, tmp_path: Path) -> None:
    (tmp_path / "Format-Serving" / "saved_model.pb").write_text("grapi")
    assert may_stand_for(tmp_path, "2", "e" * 64)


def test_the_type_has_its_name() -> None:
    assert '"frostgate.Baseline"' in Path(__file__).parents[2].joinpath("components", "artifacts.py").read_text()
    assert BASELINE == "frostgate.Baseline"
