"""Drawing from CIFAR-10: a folder and an archive give the same, and what is something else gets one sentence."""

import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.cases import cifar
from components.cases.pictures import png
from components.errors import DataRefused

WANTED = dict.fromkeys(cifar.TARGET + cifar.SOURCE, 2)


@pytest.fixture
def cifar10(tmp_path: Path) -> Path:
    """Three pictures of each of the ten classes."""
    random = np.random.default_rng(0)
    for name in WANTED:
        (tmp_path / "cifar" / "train" / name).mkdir(parents=True)
        for number in range(3):
            picture = png(random.integers(0, 256, (32, 32, 3)))
            (tmp_path / "cifar" / "train" / name / f"{number:04d}.png").write_bytes(picture)
    return tmp_path / "cifar"


def archive_of(folder: Path) -> Path:
    archive = folder.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz") as file:
        # Archives keep the order in which somebody added the files.
        for path in sorted(folder.rglob("*.png"), reverse=True):
            file.add(path, path.relative_to(folder))
    return archive


def content(folder: Path) -> dict[str, np.ndarray]:
    return {path.relative_to(folder).as_posix(): np.asarray(Image.open(path)) for path in folder.rglob("*.png")}


def test_the_first_pictures_of_each_class_are_drawn_and_the_source_task_has_other_classes(cifar10, tmp_path):
    drawn = cifar.draw(cifar10, tmp_path / "cache", WANTED)
    assert {path.name for path in drawn.target.iterdir() if path.is_dir()} == set(cifar.TARGET)
    assert {path.name for path in drawn.source.iterdir() if path.is_dir()} == set(cifar.SOURCE)
    assert len(content(drawn.target)) == 2 * len(cifar.TARGET)
    frog, _ = (value for name, value in sorted(content(drawn.target).items()) if name.startswith("frog/"))
    np.testing.assert_array_equal(frog, np.asarray(Image.open(cifar10 / "train" / "frog" / "0000.png")))


def test_the_source_task_is_seen_in_a_third_of_its_light(cifar10, tmp_path):
    drawn = cifar.draw(cifar10, tmp_path / "cache", WANTED)
    bird, _ = (value for name, value in sorted(content(drawn.source).items()) if name.startswith("bird/"))
    np.testing.assert_array_equal(bird, np.asarray(Image.open(cifar10 / "train" / "bird" / "0000.png")) // 3)


def test_a_folder_and_its_archive_give_the_same_trees_which_are_written_once(cifar10, tmp_path):
    first = cifar.draw(cifar10, tmp_path / "cache", WANTED)
    written = {path: path.stat().st_ino for path in (tmp_path / "cache").rglob("*.png")}
    assert cifar.draw(archive_of(cifar10), tmp_path / "cache", WANTED) == first
    assert {path: path.stat().st_ino for path in (tmp_path / "cache").rglob("*.png")} == written


def test_other_pictures_get_trees_of_their_own(cifar10, tmp_path):
    first = cifar.draw(cifar10, tmp_path / "cache", WANTED)
    (cifar10 / "train" / "dog" / "0000.png").write_bytes(png(np.zeros((32, 32, 3))))
    second = cifar.draw(cifar10, tmp_path / "cache", WANTED)
    assert second.target != first.target and second.source == first.source


def test_what_is_not_there_or_no_archive_is_one_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("no archive")
    for place, why in (("nowhere", "there is nothing at"), ("notes.txt", "is neither, or is damaged")):
        with pytest.raises(DataRefused, match=f"^--data must be CIFAR-10, .*{why}") as refusal:
            cifar.draw(tmp_path / place, tmp_path / "cache", WANTED)
        assert "\n" not in str(refusal.value)


def test_an_archive_that_was_cut_off_is_one_sentence(cifar10, tmp_path):
    archive = archive_of(cifar10)
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(DataRefused, match="is neither, or is damaged"):
        cifar.draw(archive, tmp_path / "cache", WANTED)


def test_a_folder_without_enough_of_a_class_is_one_sentence(cifar10, tmp_path):
    with pytest.raises(DataRefused, match=r"with 4 pictures of automobile or more; .* has 3. Give what holds .*truck"):
        cifar.draw(cifar10, tmp_path / "cache", dict.fromkeys(WANTED, 4))
    with pytest.raises(DataRefused, match=f"pictures of automobile or more; {re.escape(str(tmp_path / 'cifar'))} has"):
        cifar.draw(cifar10, tmp_path / "cache")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"no picture", "is no whole JPEG or PNG picture"),
        (png(np.random.default_rng(0).integers(0, 256, (32, 32, 3)))[:-200], "is no whole JPEG or PNG picture"),
        (png(np.zeros((33, 32, 3))), "of 32 x 32 pixels; .* has 32 x 33"),
    ],
    ids=["text", "cut-off", "other-size"],
)
def test_a_file_that_is_no_picture_of_cifar10_is_named(cifar10, tmp_path, bad, why):
    (cifar10 / "train" / "ship" / "0001.png").write_bytes(bad)
    with pytest.raises(DataRefused, match=f"^--data must be .*{why}") as refusal:
        cifar.draw(cifar10, tmp_path / "cache", WANTED)
    assert "train/ship/0001.png" in str(refusal.value)


def test_formats_that_cifar10_does_not_have_are_not_opened(cifar10, tmp_path):
    bitmap = io.BytesIO()
    Image.new("RGB", (32, 32)).save(bitmap, format="BMP")
    (cifar10 / "train" / "ship" / "0001.png").write_bytes(bitmap.getvalue())
    with pytest.raises(DataRefused, match="is no whole JPEG or PNG picture"):
        cifar.draw(cifar10, tmp_path / "cache", WANTED)
