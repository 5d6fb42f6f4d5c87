from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRefused
from components.ingest.embedded import materialise
from components.ingest.settings import EMBEDDED_DIGITS, EMBEDDED_SOURCE_DIGITS, DataSettings
from components.ingest.sources import discover


def test_digits_are_written_once_as_grey_pictures(tmp_path: Path) -> None:
    folder = Path(materialise(EMBEDDED_DIGITS, str(tmp_path)))
    pictures = sorted(folder.glob("*/*.png"))
    assert {path.parent.name for path in pictures} == set("56789") and len(pictures) == 896
    with Image.open(pictures[0]) as first:
        assert (first.size, first.mode) == ((32, 32), "L") and np.asarray(first).max() > 200
    made = folder.stat().st_ino
    assert materialise(EMBEDDED_DIGITS, str(tmp_path)) == str(folder) and folder.stat().st_ino == made


def test_the_two_sets_share_no_class_and_no_file(tmp_path: Path) -> None:
    classes = [
        discover(DataSettings(uri=materialise(uri, str(tmp_path)))).classes
        for uri in (EMBEDDED_SOURCE_DIGITS, EMBEDDED_DIGITS)
    ]
    assert classes == [tuple("01234"), tuple("56789")]


def test_the_fingerprint_is_the_same_wherever_the_digits_are_written(tmp_path: Path) -> None:
    found = [discover(DataSettings(uri=materialise(EMBEDDED_DIGITS, str(tmp_path / name)))) for name in "ab"]
    assert found[0].fingerprint == found[1].fingerprint


def test_an_incomplete_folder_is_written_again(tmp_path: Path) -> None:
    folder = Path(materialise(EMBEDDED_DIGITS, str(tmp_path)))
    next(folder.glob("5/*.png")).unlink()
    next(folder.glob("6/*.png")).write_bytes(b"")
    assert materialise(EMBEDDED_DIGITS, str(tmp_path)) == str(folder)
    assert sum(bool(path.stat().st_size) for path in folder.glob("*/*.png")) == 896
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_folder_with_a_damaged_picture_is_written_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = Path(materialise(EMBEDDED_DIGITS, str(tmp_path)))
    one, other = sorted(folder.glob("7/*.png"))[:2]
    before = one.read_bytes()
    assert caplog.messages == []
    for damaged in (before[:-20], other.read_bytes()):
        one.write_bytes(damaged)
        materialise(EMBEDDED_DIGITS, str(tmp_path))
        assert one.read_bytes() == before
    assert f"{folder} is not what was written" in caplog.messages[0]


def test_writers_at_the_same_time_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: materialise(EMBEDDED_DIGITS, str(tmp_path)), range(4)))
    assert len(folders) == 1 and [path.name for path in tmp_path.iterdir()] == ["digits-5-9"]


def test_an_unknown_set_is_refused_and_so_is_one_that_was_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="received 'embedded:cats'"):
        materialise("embedded:cats", str(tmp_path))
    with pytest.raises(DataRefused, match="written to a folder first"):
        discover(DataSettings(uri=EMBEDDED_DIGITS))
