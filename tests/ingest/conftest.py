"""Small real pictures, and an ingest run on them."""

import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow_hotfix
import pytest
from PIL import Image

from components.ingest.settings import DataSettings


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, format=kind, **options)
    return encoded.getvalue()


def noise(seed: int, side: int = 24) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def encode_bomb(side: int) -> bytes:
    """A PNG whose header promises side x side pixels, with as many zeros behind it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(side * 3 + 1)) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.fixture(scope="session")
def bomb() -> Callable[[int], bytes]:
    """A small file that promises side x side pixels."""
    return encode_bomb


@pytest.fixture(scope="session")
def png() -> Callable[[int], bytes]:
    """A picture by number: another number, another picture."""
    return lambda seed: encode(noise(seed), "PNG")


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """A picture by number, format and mode."""

    def make(seed: int, kind: str = "PNG", mode: str = "RGB", side: int = 24, **options: Any) -> bytes:
        return encode(noise(seed, side).convert(mode), kind, **options)

    return make


@pytest.fixture
def write_tree(tmp_path: Path) -> Callable[[dict[str, bytes]], str]:
    """Writes files by relative path and returns their root."""

    def write(files: dict[str, bytes], name: str = "data") -> str:
        for path, data in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return str(tmp_path / name)

    return write


@pytest.fixture
def freshly_imported_pyarrow() -> Iterator[None]:
    """pyarrow as it is in a process where nothing was mended yet; Beam mends it when it is imported."""
    pyarrow_hotfix.uninstall()
    yield
    pyarrow_hotfix.install()


@dataclass(frozen=True)
class Ingested:
    report: dict[str, Any]
    rejects: list[dict[str, str]]
    uris: dict[str, list[str]]
    hashes: dict[str, list[str]]
    labels: dict[str, list[str]]
    examples: dict[str, list[Any]]
    num_files: int

    def reason_of(self, name: str) -> str:
        return next(one["reason"] for one in self.rejects if one["uri"].endswith(name))

    @property
    def all_uris(self) -> list[str]:
        return [uri for uris in self.uris.values() for uri in uris]


@pytest.fixture(scope="session")
def run_ingest(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ingested]:
    """Runs the ingest node's executor, with real Beam, on settings."""
    import tensorflow as tf
    from tfx.types import standard_artifacts

    from components.artifacts import IngestReport
    from components.ingest.executor import Executor

    def value(example: tf.train.Example, key: str) -> str:
        return str(example.features.feature[key].bytes_list.value[0].decode())

    def run(uri: str, fingerprint: str = "", classes: tuple[str, ...] = (), **options: Any) -> Ingested:
        root = tmp_path_factory.mktemp("ingested")
        examples, report = standard_artifacts.Examples(), IngestReport()
        examples.uri, report.uri = str(root / "examples"), str(root / "report")
        # Tests of the sources count images of two sides.
        settings = DataSettings(uri=uri, classes=classes, **({"stop_fraction": 0.0} | options))
        properties = {
            "settings": settings.model_dump_json(),
            "classes": json.dumps(list(classes)),
            "input_fingerprint": fingerprint,
            "code_hash": "",
        }
        context = Executor.Context(tmp_dir=str(root), unique_id="1")
        Executor(context).Do({}, {"examples": [examples], "report": [report]}, properties)
        assert json.loads(examples.split_names) == ["train", "stop", "eval"]
        assert {path.name for path in (root / "report").iterdir()} == {"report.json", "rejects.jsonl"}
        read = {split: list(_examples(root / "examples" / f"Split-{split}")) for split in ("train", "stop", "eval")}
        by_key = {key: {split: [value(one, key) for one in read[split]] for split in read} for key in _KEYS}
        return Ingested(
            json.loads((root / "report" / "report.json").read_text()),
            [json.loads(line) for line in (root / "report" / "rejects.jsonl").read_text().splitlines()],
            by_key["uri"],
            by_key["content_hash"],
            by_key["label"],
            read,
            # A split without an image has a file all the same.
            sum(len(list((root / "examples" / f"Split-{split}").glob("*.gz"))) for split in read if read[split]),
        )

    return run


_KEYS = ("uri", "content_hash", "label")


def _examples(folder: Path) -> Iterator[Any]:
    import tensorflow as tf

    files = sorted(map(str, folder.glob("data_tfrecord-*-of-*.gz")))
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        yield tf.train.Example.FromString(record)


@pytest.fixture
def s3_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, bytes], None]]:
    """A bucket `pictures` on a server of its own, on the loopback address; gives a function that puts objects."""
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for key, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(key, value)
    s3fs.S3FileSystem.clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket="pictures")
    yield lambda key, data: client.put_object(Bucket="pictures", Key=key, Body=data)
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()
