"""Pictures of one patient, film or burst are never in two splits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRefused
from components.ingest.groups import Grouping, grouping_of
from pipeline.config import ConfigRefused, load

NUM_FILMS, FRAMES = 30, 4
FORMS = "data.group must be `column:NAME`, `folder:N` or `path:PATTERN`, as in column:patient;"


@pytest.mark.parametrize(
    ("text", "path", "folders", "group"),
    [
        ("", "cat/a.png", (), ""),
        ("folder:1", "cat/anna/1/a.png", ("anna", "1"), "anna"),
        ("folder:2", "cat/anna/1/a.png", ("anna", "1"), "1"),
        ("folder:2", "cat/anna/a.png", ("anna",), ""),
        (r"path:([^/]+)_\d+\.png$", "cat/film-3_12.png", (), "film-3"),
        (r"path:film-\d", "cat/film-3_12.png", (), "film-3"),
        (r"path:(burst)?", "cat/film-3_12.png", (), ""),
        ("path:burst", "cat/film-3_12.png", (), ""),
    ],
)
def test_a_group_is_found_in_a_path(text: str, path: str, folders: tuple[str, ...], group: str) -> None:
    assert Grouping.of(text).of_path(path, folders) == group


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("patient", f"{FORMS} received patient."),
        ("column:", f"{FORMS} received column:."),
        ("folder:0", "data.group must count folders from 1 on, as in folder:1; received folder:0."),
        ("folder:" + "9" * 5_000, "data.group must count folders from 1 on, as in folder:1; received folder:999"),
        ("path:(", "data.group must hold a regular expression after `path:`; received ( (missing ), "),
    ],
)  # fmt: skip
def test_what_names_no_group_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        load(None, [f"data.group={text}"])
    assert sentence in str(refused.value)


def test_a_source_without_that_kind_of_group_says_which_it_has() -> None:
    with pytest.raises(DataRefused) as refused:
        grouping_of("column:patient", "a folder of images", "folder", "path")
    assert str(refused.value) == (
        "data.group must be `folder:N` or `path:PATTERN` for a folder of images; received column:patient."
    )


def films(root: Path) -> list[tuple[Path, str, str]]:
    """Films of four frames each, a class for every other film; (file, class, film)."""
    random, found = np.random.default_rng(5), []
    for film in range(NUM_FILMS):
        label = ("cat", "dog")[film % 2]
        for frame in range(FRAMES):
            path = root / label / f"film{film:02d}" / f"{frame}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(path)
            found.append((path, label, path.parent.name))
    return found


def text(example: Any, key: str) -> str:
    return str(example.features.feature[key].bytes_list.value[0].decode())


def splits_of(found: Any) -> dict[str, set[str]]:
    """Film -> splits that have a frame of it."""
    places: dict[str, set[str]] = {}
    for split, examples in found.examples.items():
        for example in examples:
            film = text(example, "uri").split("/")[-2]
            places.setdefault(film, set()).add(split)
    return places


@pytest.mark.parametrize("how", ["folder", "path", "csv", "parquet", "tfrecord"])
def test_a_film_is_in_one_split_whatever_names_it(how: str, tmp_path: Path, run_ingest: Callable[..., Any]) -> None:
    frames = films(tmp_path / "data")
    uri, group = str(tmp_path / "data"), "folder:1"
    if how == "path":
        group = "path:film[0-9]+"
    elif how in ("csv", "parquet"):
        uri, group = str(tmp_path / f"frames.{how}"), "column:film"
        import pandas as pd

        table = pd.DataFrame([{"uri": str(path), "label": label, "film": film} for path, label, film in frames])
        table.to_csv(uri, index=False) if how == "csv" else table.to_parquet(uri)
    elif how == "tfrecord":
        uri, group = str(tmp_path / "frames.tfrecord"), "column:film"
        write_records(uri, frames)
    found = run_ingest(uri, group=group, eval_fraction=0.4, stop_fraction=0.3)
    assert sum(found.report["by_split"].values()) == NUM_FILMS * FRAMES
    assert all(number > 0 for number in found.report["by_split"].values())
    by_group: dict[str, set[str]] = {}
    for split, examples in found.examples.items():
        for example in examples:
            by_group.setdefault(text(example, "group"), set()).add(split)
    assert len(by_group) == NUM_FILMS and all(len(splits) == 1 for splits in by_group.values())
    # The name of a group, which may be a patient's, is in no example.
    assert not any("film" in group for group in by_group)


def write_records(path: str, frames: list[tuple[Path, str, str]]) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(path) as writer:
        for file, label, film in frames:
            texts = {
                "image/encoded": file.read_bytes(),
                "image/class/text": label.encode(),
                "film": film.encode(),
            }
            values = {key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text])) for key, text in texts.items()}
            writer.write(tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString())


def test_without_groups_films_part(tmp_path: Path, run_ingest: Callable[..., Any]) -> None:
    films(tmp_path / "data")
    found = run_ingest(str(tmp_path / "data"), eval_fraction=0.4, stop_fraction=0.3)
    assert any(len(splits) > 1 for splits in splits_of(found).values())


def test_a_picture_without_a_group_is_rejected_and_named(tmp_path: Path, run_ingest: Callable[..., Any]) -> None:
    films(tmp_path / "data")
    stray = tmp_path / "data" / "cat" / "stray.png"
    Image.new("RGB", (8, 8), (1, 2, 3)).save(stray)
    found = run_ingest(str(tmp_path / "data"), group="folder:1")
    (reject,) = found.rejects
    assert (reject["uri"], reject["reason"]) == (str(stray), "missing_group")
    assert reject["detail"] == "nothing says which group it belongs to, as data.group (folder:1) asks"


def test_a_group_that_no_picture_has_is_what_is_wrong(tmp_path: Path, run_ingest: Callable[..., Any]) -> None:
    films(tmp_path / "data")
    with pytest.raises(DataRefused, match=r"path:\(nothing\) finds nothing in any of \d+\. Correct it\."):
        run_ingest(str(tmp_path / "data"), group="path:(nothing)")


def test_a_column_that_is_not_there_is_named(tmp_path: Path, run_ingest: Callable[..., Any]) -> None:
    (tmp_path / "frames.csv").write_text("uri,label\na.png,cat\n")
    with pytest.raises(DataRefused, match=r"must have the column patient, which data\.group names; it has uri, label"):
        run_ingest(str(tmp_path / "frames.csv"), group="column:patient")
