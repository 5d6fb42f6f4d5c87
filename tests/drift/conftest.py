"""A champion with a reference in a registry, and logs of what it was asked."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pipeline.config import Config, load
from schemas import features


@pytest.fixture(scope="session")
def watched(toy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A pipeline whose champion is a toy, with what the gate says of its validation images as its reference."""
    from components.push_gate.fingerprint import directory_fingerprint, weights_fingerprint
    from components.push_gate.measure import measure
    from components.push_gate.reference import write
    from components.push_gate.settings import GateSettings
    from components.registry.opening import open_registry
    from components.registry.protocol import DECISION, FINGERPRINT, REFERENCE, WEIGHTS, ModelRecord
    from components.registry.publishing import publish
    from pipeline.resolve import effective_registry, folders_of

    root = tmp_path_factory.mktemp("watched")
    data = toy.digits()
    ingested(root / "examples", data, toy.CLASSES, toy.png)
    model = toy.export(root / "model", toy.KINDS["healthy"](data["train"]))
    splits = {split: str(root / "examples" / f"Split-{split}") for split in features.SPLITS}
    write(str(root / "reference"), splits[features.EVAL], measure(str(model), splits, (), GateSettings()))

    config = load(None, [f"output={root / 'output'}", f"serving_log.uri={root / 'requests'}"])
    serving = model / "Format-Serving"
    fingerprint = directory_fingerprint(str(serving))
    tags = {FINGERPRINT: fingerprint, DECISION: "PASS", WEIGHTS: weights_fingerprint(str(serving)) or ""}
    tags[REFERENCE] = directory_fingerprint(str(root / "reference"))
    artifacts = {serving: "Format-Serving", root / "reference": "reference"}
    registry = open_registry(effective_registry(config, folders_of(config)))
    publish(registry, ModelRecord(fingerprint, "PASS", tags, {}, {}, artifacts), promote=True)
    return config


def ingested(root: Path, data: dict[str, Any], classes: tuple[str, ...], png: Callable[[np.ndarray], bytes]) -> None:
    """Writes examples with every scalar, as ingest does."""
    import tensorflow as tf

    from components.ingest.items import Container, Measured, Raw
    from components.ingest.record import Inspector, build_example
    from components.ingest.settings import DataSettings

    inspector = Inspector(DataSettings())
    for split, part in data.items():
        folder = root / f"Split-{split}"
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
            for index, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
                raw = Raw(f"{split}/{index}.png", classes[label], None, index, png(image))
                measured = inspector.inspect(raw, Container("file", raw.uri))
                assert isinstance(measured, Measured)
                writer.write(build_example(measured, raw.data).SerializeToString())


@pytest.fixture(scope="session")
def ask(toy: ModuleType, watched: Config) -> Callable[..., None]:
    """Asks the champion about validation images, changed as told, and logs it."""
    from components.push_gate.exported import ExportedModel

    model_dir = Path(watched.output).parent / "model"
    exported = ExportedModel(str(model_dir))
    images = toy.digits()["eval"].images

    def asked(folder: Path, change: Callable[[np.ndarray], np.ndarray], positions: range, pictures: bool) -> None:
        import frostgate

        encoded = [toy.png(change(images[position])) for position in positions]
        answer = exported.serve(encoded)
        with frostgate.serving_log(str(folder), pictures=pictures, model=str(model_dir / "Format-Serving")) as log:
            for picture, index, row in zip(encoded, answer.class_index, answer.probabilities, strict=True):
                log.record(picture, exported.classes[index], float(row.max()))

    return asked


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Runs `frostgate monitor`: its exit code, its JSON and its errors."""

    def monitor(config: Config, *words: str) -> tuple[int, dict[str, Any], str]:
        from pipeline.cli.main import main

        overrides = [f"output={config.output}", f"serving_log.uri={config.serving_log.uri}"]
        given = [word for override in overrides for word in ("--set", override)]
        before, sys.argv = sys.argv, ["frostgate", "monitor", *given, "--json", *words]
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        finally:
            sys.argv = before
        out, err = capfd.readouterr()
        assert isinstance(code, int)
        return code, json.loads(out) if out else {}, err

    return monitor
