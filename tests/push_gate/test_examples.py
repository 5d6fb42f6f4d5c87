"""Reading ingested examples for scoring."""

from pathlib import Path
from types import ModuleType

import pytest
import tensorflow as tf

from components.push_gate.examples import read_split
from schemas import features

pytestmark = pytest.mark.tfx


def write(folder: Path, records: list[bytes], shards: int = 1) -> str:
    folder.mkdir(parents=True)
    for shard in range(shards):
        path = str(folder / f"examples-{shard:05d}-of-{shards:05d}.gz")
        with tf.io.TFRecordWriter(path, options="GZIP") as writer:
            for record in records[shard::shards]:
                writer.write(record)
    return str(folder)


@pytest.fixture(scope="module")
def records(toy: ModuleType) -> list[bytes]:
    part = toy.digits()["eval"]
    return [toy.example(part.images[index], toy.CLASSES[part.labels[index]], f"{index}.png") for index in range(40)]


def test_the_order_does_not_depend_on_the_shards(tmp_path: Path, toy: ModuleType, records: list[bytes]) -> None:
    one = read_split(write(tmp_path / "a", records), toy.CLASSES, (features.LABEL,), None)
    three = read_split(write(tmp_path / "b", records[::-1], shards=3), toy.CLASSES, (features.LABEL,), None)
    assert one.rows == three.rows
    assert one.encoded(range(40)) == three.encoded(range(40))
    assert one.num_examples == 40


def test_a_limit_takes_the_first_by_content_hash(tmp_path: Path, toy: ModuleType, records: list[bytes]) -> None:
    uri = write(tmp_path / "a", records)
    whole, part = (read_split(uri, toy.CLASSES, (), limit) for limit in (None, 7))
    assert part.rows == whole.rows[:7]
    assert part.encoded(range(7)) == whole.encoded(range(7))
    assert part.num_examples == 40


def test_pictures_belong_to_their_rows(tmp_path: Path, toy: ModuleType, records: list[bytes]) -> None:
    images = toy.digits()["eval"].images
    split = read_split(write(tmp_path / "a", records), toy.CLASSES, (), None)
    for row, encoded in zip(split.rows, split.encoded(range(40)), strict=True):
        assert encoded == toy.png(images[int(row.uri.removesuffix(".png"))])


def test_slices_are_named_by_feature_and_value(tmp_path: Path, toy: ModuleType, records: list[bytes]) -> None:
    split = read_split(write(tmp_path / "a", records), toy.CLASSES, ("format", "height", "absent"), None)
    assert {name for row in split.rows for name in row.slices} == {"format=png", "format=bmp", "height=8"}


def test_an_unknown_label_is_refused_by_name(tmp_path: Path, toy: ModuleType, records: list[bytes]) -> None:
    stray = toy.example(toy.digits()["eval"].images[0], "cat", "stray.png")
    with pytest.raises(ValueError, match=r"stray\.png.*'cat'"):
        read_split(write(tmp_path / "a", [*records, stray]), toy.CLASSES, (), None)


def test_a_missing_label_is_refused(tmp_path: Path, toy: ModuleType, records: list[bytes]) -> None:
    example = tf.train.Example.FromString(records[0])
    del example.features.feature[features.LABEL]
    with pytest.raises(ValueError, match=r"one value of label in the example '0\.png'; received 0"):
        read_split(write(tmp_path / "a", [example.SerializeToString()]), toy.CLASSES, (), None)


def test_an_empty_split_is_refused(tmp_path: Path, toy: ModuleType) -> None:
    with pytest.raises(ValueError, match="received none"):
        read_split(write(tmp_path / "a", []), toy.CLASSES, (), None)


def test_a_damaged_shard_is_an_error_and_not_fewer_examples(
    tmp_path: Path, toy: ModuleType, records: list[bytes]
) -> None:
    uri = write(tmp_path / "a", records)
    shard = next(Path(uri).glob("*.gz"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(bytes(content))
    with pytest.raises(tf.errors.DataLossError):
        read_split(uri, toy.CLASSES, (), None)
