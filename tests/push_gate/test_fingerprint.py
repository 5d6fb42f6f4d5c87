"""The content address of a directory."""

import os
from pathlib import Path

import pytest

from components.push_gate.fingerprint import directory_fingerprint


def write(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory_fingerprint(str(root))


def test_equal_trees_have_equal_fingerprints_wherever_and_whenever_they_were_written(tmp_path: Path) -> None:
    files = {"saved_model.pb": "graph", "variables/variables.index": "index"}
    first, second = write(tmp_path / "a", files), write(tmp_path / "b", dict(reversed(files.items())))
    os.utime(tmp_path / "b" / "saved_model.pb", (1, 1))
    (tmp_path / "b" / "assets").mkdir()
    assert first == second == directory_fingerprint(str(tmp_path / "b") + "/")


@pytest.mark.parametrize(
    "files",
    [
        {"a/x": "1", "a/y": "3"},
        {"a/x": "1", "b/y": "2"},
        {"a/x": "1"},
        {"a/x": "1", "a/y": "2", "a/z": ""},
        {"a/x": "2", "a/y": "1"},
    ],
)
def test_any_change_of_name_or_content_changes_it(tmp_path: Path, files: dict[str, str]) -> None:
    assert write(tmp_path / "old", {"a/x": "1", "a/y": "2"}) != write(tmp_path / "new", files)


def test_an_empty_or_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a directory with files"):
        directory_fingerprint(str(tmp_path))
    with pytest.raises(ValueError, match="expected a directory with files"):
        directory_fingerprint(str(tmp_path / "missing"))


def test_it_is_the_same_through_a_uri(tmp_path: Path) -> None:
    local = write(tmp_path, {"a/x": "1"})
    assert directory_fingerprint(f"file://{tmp_path}") == local
