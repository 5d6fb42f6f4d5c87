import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow_hotfix
import pytest

from components.errors import DataRefused
from components.ingest.items import Broken
from components.ingest.settings import DataSettings
from components.ingest.sources import discover, list_source, read_container
from tests.ingest import hostile_parquet

pytestmark = pytest.mark.tfx

Png = Callable[[int], bytes]
Put = Callable[[str, bytes], None]


def prepare(folder: Path, splits: dict[str, int], file_format: str = "tfrecord") -> str:
    """Prepares a small TFDS data set `spots` with two classes."""
    import tensorflow_datasets as tfds

    class Spots(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[misc,call-arg]
        name = "spots"
        __module__ = "spots"  # TFDS looks for checksums beside code in a package, which needs importlib_resources.
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict({
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=["round", "angular"]),
                }),
                supervised_keys=("image", "label"),
            )  # fmt: skip

        def _split_generators(self, dl_manager: Any) -> Any:
            starts = dict(zip(splits, range(0, 1000, 100), strict=False))
            return {name: self._generate_examples(start, splits[name]) for name, start in starts.items()}

        def _generate_examples(self, start: int, number: int) -> Any:
            for one in range(start, start + number):
                pixels = np.random.default_rng(one).integers(0, 256, (9, 9, 3), dtype=np.uint8)
                yield one, {"image": pixels, "label": one % 2}

    Spots(data_dir=str(folder), file_format=file_format).download_and_prepare()
    return f"tfds:spots@{folder}"


def test_a_tfds_data_set_is_ingested_with_its_splits(tmp_path: Path, run_ingest: Callable) -> None:
    uri = prepare(tmp_path, {"train": 10, "test": 6})
    summary = discover(DataSettings(uri=uri))
    assert (summary.format, summary.classes, summary.has_splits) == ("tfds", ("angular", "round"), True)
    found = run_ingest(uri, fingerprint=summary.fingerprint, classes=summary.classes)
    assert found.report["by_split"] == {"train": 10, "stop": 0, "eval": 6}
    assert found.report["by_class"]["eval"] == {"angular": 3, "round": 3}
    assert found.uris["eval"][0].startswith(f"{uri}/test[0shard:1shard]#")


def test_a_tfds_data_set_without_a_validation_side_is_split_by_content(tmp_path: Path, run_ingest: Callable) -> None:
    found = run_ingest(prepare(tmp_path, {"train": 30}))
    assert found.report["num_kept"] == 30 and 3 <= found.report["by_split"]["eval"] <= 18


def test_a_flipped_byte_in_a_tfds_shard_stops_the_run(tmp_path: Path, run_ingest: Callable) -> None:
    uri = prepare(tmp_path, {"train": 10, "test": 6})
    (path,) = tmp_path.rglob("spots-train.tfrecord*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataRefused, match=r"spots.*train\[0shard:1shard\] \(record \d+: corrupted record"):
        run_ingest(uri)


def test_an_unknown_or_unprepared_tfds_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="has no 'no_such_thing'"):
        discover(DataSettings(uri=f"tfds:no_such_thing@{tmp_path}"))
    with pytest.raises(DataRefused, match="run `tfds build mnist` first"):
        discover(DataSettings(uri=f"tfds:mnist@{tmp_path}"))


@pytest.mark.usefixtures("freshly_imported_pyarrow")
def test_a_pickle_in_a_parquet_shard_of_tfds_is_never_run(tmp_path: Path) -> None:
    settings = DataSettings(uri=prepare(tmp_path / "data", {"train": 4, "test": 4}, "parquet"))
    containers = list_source(settings).containers
    assert [len(list(read_container(one, settings))) for one in containers] == [4, 4]
    (shard,) = tmp_path.rglob("spots-train.parquet*")
    shard.write_bytes(hostile_parquet.hostile("in a column that is not read", tmp_path / "witness"))
    pyarrow_hotfix.uninstall()
    (broken,) = read_container(containers[0], settings)
    assert isinstance(broken, Broken)
    assert broken.detail == "record 0: a column has an extension type, whose code was not run"
    assert not (tmp_path / "witness").exists()


@pytest.mark.parametrize("is_linked", [False, True])
def test_a_tfds_feature_of_another_package_is_refused_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_linked: bool
) -> None:
    settings = DataSettings(uri=prepare(tmp_path / "data", {"train": 4, "test": 4}))
    monkeypatch.syspath_prepend(tmp_path / "beside")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "smuggled.py").write_text(f"import os; os.mkdir({str(tmp_path / 'witness')!r})")
    (described,) = (tmp_path / "data").rglob("features.json")
    described.write_text(re.sub(r"tensorflow_datasets[\w.]*ClassLabel", "smuggled.ClassLabel", described.read_text()))
    if is_linked:
        (tmp_path / "data" / "spots").rename(tmp_path / "elsewhere")
        (tmp_path / "data" / "spots").mkdir()
        (tmp_path / "data" / "spots" / "1.0.0").symlink_to(tmp_path / "elsewhere" / "1.0.0")
    with pytest.raises(DataRefused) as caught:
        discover(settings)
    assert not (tmp_path / "witness").exists()
    assert "has the feature smuggled.ClassLabel, which was not imported" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_a_damaged_description_of_tfds_features_is_a_sentence(tmp_path: Path, text: str) -> None:
    settings = DataSettings(uri=prepare(tmp_path, {"train": 4, "test": 4}))
    (described,) = tmp_path.rglob("features.json")
    described.write_text(text)
    with pytest.raises(DataRefused, match=r"The prepared spots is damaged; run `tfds build spots` again"):
        discover(settings)


@pytest.mark.parametrize("name", ["huggingface:spots", "kaggle:spots"])
def test_a_tfds_name_that_fetches_somebodys_code_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataRefused, match=rf"{name} is code that somebody published"):
        discover(DataSettings(uri=f"tfds:{name}@{tmp_path}"))


def test_a_bucket_is_ingested_as_a_folder_is(s3_bucket: Put, png: Png, run_ingest: Callable) -> None:
    for name in ("cat", "dog"):
        s3_bucket(f"data/{name}/", b"")  # The marker that consoles leave.
        for number in range(8):
            s3_bucket(f"data/{name}/{number}.png", png(ord(name[0]) * 10 + number))
    s3_bucket("data/dog/broken.png", b"text")
    summary = discover(DataSettings(uri="s3://pictures/data"))
    assert summary.classes == ("cat", "dog")
    found = run_ingest("s3://pictures/data", fingerprint=summary.fingerprint)
    assert found.report["num_kept"] == 16 and all(uri.startswith("s3://pictures/data/") for uri in found.all_uris)
    (reject,) = found.rejects
    assert (reject["uri"], reject["reason"]) == ("s3://pictures/data/dog/broken.png", "not_an_image")
    s3_bucket("data/dog/broken.png", b"Text")  # Same size; only the entity tag tells.
    assert discover(DataSettings(uri="s3://pictures/data")).fingerprint != summary.fingerprint


def test_a_manifest_in_a_bucket_names_images_beside_it(s3_bucket: Put, png: Png, run_ingest: Callable) -> None:
    rows = ["uri,label,split"]
    for number in range(8):
        s3_bucket(f"shop/{number}.png", png(number))
        rows.append(f"{number}.png,{'cat' if number % 2 else 'dog'},{'train' if number < 5 else 'val'}")
    s3_bucket("shop/list.csv", "\n".join([*rows, "gone.png,cat,train"]).encode())
    found = run_ingest("s3://pictures/shop/list.csv")
    assert found.report["by_split"] == {"train": 5, "stop": 0, "eval": 3}
    assert found.rejects == [
        {"uri": "s3://pictures/shop/gone.png", "reason": "missing_file", "detail": "the file was not found"}
    ]


def test_a_file_that_may_not_be_read_is_named(write_tree: Callable, png: Png, run_ingest: Callable) -> None:
    root = write_tree({f"{name}/{n}.png": png(ord(name) + n) for name in "an" for n in range(8)})
    (Path(root) / "a" / "gone.png").symlink_to("/nowhere/at/all.png")
    found = run_ingest(root)
    assert found.report["rejected_by_reason"] == {"missing_file": 1} and found.report["num_kept"] == 16
