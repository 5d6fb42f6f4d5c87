import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.errors import DataRefused

pytestmark = pytest.mark.tfx

Png = Callable[[int], bytes]


@pytest.fixture
def shard(tmp_path: Path, png: Png) -> Callable[..., str]:
    """Writes (image number or None, label) records with the usual keys."""
    import tensorflow as tf

    def feature(value: bytes | int) -> tf.train.Feature:
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def write(name: str, records: list[tuple[int, bytes | int | None]]) -> str:
        path = str(tmp_path / name)
        with tf.io.TFRecordWriter(path, "GZIP" if name.endswith(".gz") else "") as writer:
            for number, label in records:
                values = {"image/encoded": feature(png(number))}
                values |= {} if label is None else {"image/class/text": feature(label)}
                writer.write(tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString())
        return path

    return write


def discover(uri: str, **options: Any) -> Any:
    from components.ingest.settings import DataSettings
    from components.ingest.sources import discover

    return discover(DataSettings(uri=uri, **options))


def test_every_record_of_every_shard_is_ingested(shard: Callable, tmp_path: Path, run_ingest: Callable) -> None:
    shard("a.tfrecord", [(number, b"cat") for number in range(8)])
    shard("b.tfrecord.gz", [(number, b"dog") for number in range(20, 28)])
    summary = discover(f"{tmp_path}/*.tfrecord*")
    assert (summary.format, summary.classes, summary.has_splits) == ("tfrecord", ("cat", "dog"), False)
    found = run_ingest(f"{tmp_path}/*.tfrecord*", fingerprint=summary.fingerprint, classes=summary.classes)
    expected = {f"{tmp_path}/a.tfrecord#{n}" for n in range(8)} | {f"{tmp_path}/b.tfrecord.gz#{n}" for n in range(8)}
    assert set(found.all_uris) == expected and found.report["num_read"] == 16


def test_an_index_means_the_configured_class_and_otherwise_its_number(shard: Callable, run_ingest: Callable) -> None:
    uri = shard("a.tfrecord", [(number, number % 12) for number in range(36)])
    # As text, 10 sorts before 2: an index must not be looked up in a list that was sorted.
    found = run_ingest(uri)
    assert set(found.report["by_class"]["train"]) | set(found.report["by_class"]["eval"]) == set(map(str, range(12)))
    assert discover(uri).classes[:4] == ("0", "1", "10", "11")
    named = run_ingest(shard("b.tfrecord", [(n, n % 2) for n in range(20)]), classes=("zebra", "ant"))
    assert set(named.report["by_class"]["train"]) == {"zebra", "ant"}
    assert all(int(uri.split("#")[1]) % 2 == (label == "ant") for split in ("train", "eval")
               for uri, label in zip(named.uris[split], named.labels[split], strict=True))  # fmt: skip


def test_a_record_without_a_label_is_named(shard: Callable, run_ingest: Callable) -> None:
    found = run_ingest(shard("a.tfrecord", [(n, b"cat" if n < 6 else b"dog") for n in range(12)] + [(99, None)]))
    assert [(one["uri"].split("#")[1], one["reason"]) for one in found.rejects] == [("12", "missing_label")]


@pytest.mark.parametrize("place", [0.5, 0.98])
def test_a_flipped_byte_stops_the_run_naming_shard_and_offset(
    shard: Callable, run_ingest: Callable, place: float
) -> None:
    shard("whole.tfrecord", [(100 + n, b"cat") for n in range(5)])
    path = Path(shard("broken.tfrecord", [(n, b"dog" if n % 2 else b"cat") for n in range(9)]))
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataRefused, match=r"broken\.tfrecord \(record [1-9] at byte \d{4,}: .*Mismatch"):
        run_ingest(f"{path.parent}/*.tfrecord", classes=("cat", "dog"))
    with pytest.raises(DataRefused, match=r"broken\.tfrecord is damaged: record"):
        discover(f"{path.parent}/*.tfrecord")


def test_a_shard_cut_off_stops_the_run(shard: Callable, run_ingest: Callable) -> None:
    path = Path(shard("cut.tfrecord.gz", [(n, b"dog" if n % 2 else b"cat") for n in range(9)]))
    raw = gzip.decompress(path.read_bytes())
    for damaged in (path.read_bytes()[:-100], gzip.compress(raw[:-100])):
        path.write_bytes(damaged)
        with pytest.raises(DataRefused, match=r"cut\.tfrecord\.gz \(record"):
            run_ingest(str(path), classes=("cat", "dog"))


def test_an_empty_shard_and_a_glob_that_matches_nothing_are_refused(shard: Callable, tmp_path: Path) -> None:
    shard("a.tfrecord", [(1, b"cat")])
    (tmp_path / "b.tfrecord").touch()
    with pytest.raises(DataRefused, match=r"b\.tfrecord has no bytes"):
        discover(f"{tmp_path}/*.tfrecord")
    with pytest.raises(DataRefused, match=r"No TFRecord file matches"):
        discover(f"{tmp_path}/*.none")
