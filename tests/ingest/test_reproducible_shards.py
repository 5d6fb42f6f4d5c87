import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.ingest.embedded import materialise
from components.ingest.items import Container, Measured
from components.ingest.settings import EMBEDDED_DIGITS
from components.ingest.steps import in_order, shard_of
from components.ingest.writing import ShardWriter

pytestmark = pytest.mark.tfx


def measured(content_hash: str, uri: str, position: int = 0, kind: Any = "file") -> Measured:
    container = Container(kind, uri)
    return Measured(
        container, position, uri, "cat", None, "", content_hash, 1, 1, 1, "png", (0, 0, 0), (0, 0, 0), 0, content_hash
    )


def test_the_same_pictures_give_the_same_records_in_the_same_order_wherever_they_lie(
    run_ingest: Callable[..., Any], tmp_path: Path
) -> None:
    here = Path(materialise(EMBEDDED_DIGITS, str(tmp_path)))
    there = tmp_path / "somewhere" / "else"
    shutil.copytree(here, there)
    first, second = run_ingest(str(here)), run_ingest(str(there))
    assert first.num_files == second.num_files == 4
    assert first.hashes == second.hashes
    assert len(set(first.labels["train"][:30])) == 5


def test_order_follows_from_content_not_from_arrival() -> None:
    pictures = [(measured(hash_, uri), "train") for hash_, uri in (("c", "1"), ("a", "3"), ("b", "2"), ("a", "0"))]
    for arrival in (pictures, pictures[::-1]):
        assert [container.uri for container, _ in in_order(arrival)] == ["0", "3", "2", "1"]


def test_all_pictures_of_a_file_of_many_share_a_shard() -> None:
    hashes = [hashlib.sha256(bytes([number])).hexdigest() for number in range(100)]
    assert len({shard_of(measured(one, "many.tfrecord", kind="tfrecord"), 16) for one in hashes}) == 1
    assert len({shard_of(measured(one, f"{one}.png"), 16) for one in hashes}) == 16


def test_a_shard_whose_writing_failed_is_absent(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="on purpose"),
        ShardWriter({"train": str(tmp_path / "Split-train")}, 0, 1) as writer,
    ):
        writer.write("train", b"record")
        raise RuntimeError("on purpose")
    assert [path.name for path in tmp_path.rglob("*")] == ["Split-train"]
