import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRefused
from components.ingest.settings import DataSettings
from components.ingest.sources import discover

pytestmark = pytest.mark.tfx


def encoded(seed: int, kind: str = "PNG", mode: str = "RGB") -> bytes:
    written = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(written, kind)
    return written.getvalue()


def write(root: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return str(root)


def healthy(root: Path, names: tuple[str, ...] = ("cat", "dog")) -> str:
    files = {f"{name}/{n}.png": encoded(100 * place + n) for place, name in enumerate(names) for n in range(12)}
    files |= {"cat/a.gif": encoded(1001, "GIF"), "cat/b.jpg": encoded(1002, "JPEG", "CMYK"),
              "dog/c.jpg": encoded(1003, "JPEG", "L"), "dog/d.png": encoded(1004, "PNG", "P"),
              "dog/e.png": encoded(1005, "PNG", "1"), "dog/white.png": flat(255), "cat/black.png": flat(0)}  # fmt: skip
    return write(root, files)


def flat(value: int) -> bytes:
    written = io.BytesIO()
    Image.new("L", (3, 3), value).save(written, "PNG")
    return written.getvalue()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Runs ingest to gate on settings, through TFX's own local runner."""

    def start(uri: str, classes: tuple[str, ...] = (), **options: Any) -> Path:
        from tfx.components import ExampleValidator, StatisticsGen
        from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
        from tfx.orchestration import metadata
        from tfx.orchestration.local.local_dag_runner import LocalDagRunner
        from tfx.orchestration.pipeline import Pipeline

        from components.data_gate.component import DataGate
        from components.data_gate.statistics import statistics_options
        from components.ingest.component import ImageExampleGen
        from pipeline.config import BeamSettings
        from pipeline.training import beam_args
        from schemas.images import write_schema

        settings = DataSettings(uri=uri, classes=classes, **options)
        found = discover(settings)
        ingest = ImageExampleGen(settings, found.classes, found.fingerprint, code_hash="")
        schema = ImportSchemaGen(write_schema(found.classes, str(tmp_path / "schemas")))
        statistics = StatisticsGen(
            ingest.outputs["examples"], schema.outputs["schema"], stats_options=statistics_options()
        )
        validator = ExampleValidator(statistics.outputs["statistics"], schema.outputs["schema"])
        gate = DataGate(
            anomalies=validator.outputs["anomalies"], statistics=statistics.outputs["statistics"],
            schema=schema.outputs["schema"], report=ingest.outputs["report"],
            settings=settings.model_dump_json(), code_hash="",
        )  # fmt: skip
        store = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))
        nodes = [ingest, schema, statistics, validator, gate]
        root = str(tmp_path / "root")
        pipeline = Pipeline(
            "gate",
            root,
            components=nodes,
            metadata_connection_config=store,
            beam_pipeline_args=beam_args(BeamSettings()),
        )
        LocalDagRunner().run(pipeline)
        return tmp_path / "root"

    return start


def only(root: Path, pattern: str) -> Path:
    (found,) = root.glob(pattern)
    return found


def test_healthy_pictures_of_every_kind_pass_without_one_anomaly(run: Callable[..., Path], tmp_path: Path) -> None:
    root = run(healthy(tmp_path / "data"))
    decision = json.loads(only(root, "DataGate/decision/*/decision.json").read_text())
    assert (decision["passed"], decision["reasons"]) == (True, [])
    assert decision["checked_splits"] == ["eval", "stop", "train"]
    assert_what_is_watched_from_run_to_run(decision)
    assert_statistics_stay_small(root)
    assert_serving_needs_no_label(root)


def assert_what_is_watched_from_run_to_run(decision: dict[str, Any]) -> None:
    assert decision["anomalies"] == {"train": {}, "stop": {}, "eval": {}}
    images = decision["images"]
    assert images["train"] + images["stop"] + images["eval"] == 31 and (images["rejected"], images["duplicates"]) == (
        0,
        0,
    )
    assert decision["reject_share"]["value"] == 0 < decision["reject_share"]["interval"]["high"] < 0.2
    distances = {one["feature"]: one["value"] for one in decision["distances"]}
    assert {"label", "format", "width", "mean_red", "sharpness"} <= set(distances)
    assert "uri" not in distances and all(0 <= value <= 1 for value in distances.values())


def assert_statistics_stay_small(root: Path) -> None:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    path = only(root, "StatisticsGen/statistics/*/Split-train/FeatureStats.pb")
    (data,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes()).datasets
    by_name = {one.path.step[0]: one for one in data.features}
    assert by_name["image_bytes"].WhichOneof("stats") == "bytes_stats"
    for name in ("uri", "content_hash"):
        assert not by_name[name].string_stats.top_values and not by_name[name].string_stats.rank_histogram.buckets
    assert {one.value for one in by_name["label"].string_stats.top_values} == {"cat", "dog"}
    assert by_name["mean_red"].num_stats.min >= 0 and by_name["mean_red"].num_stats.max <= 255


def assert_serving_needs_no_label(root: Path) -> None:
    """What serving logs: no label, no address, no group; the skew comparators have to work on the same schema."""
    import tensorflow_data_validation as tfdv

    path = only(root, "StatisticsGen/statistics/*/Split-train/FeatureStats.pb")
    schema = tfdv.load_schema_text(str(only(root, "ImportSchemaGen/schema/*/schema.pbtxt")))
    training = tfdv.load_stats_binary(str(path))
    serving = tfdv.load_stats_binary(str(path))
    for name in ("label", "uri", "group"):
        place = next(i for i, one in enumerate(serving.datasets[0].features) if one.path.step[0] == name)
        del serving.datasets[0].features[place]
    assert not tfdv.validate_statistics(serving, schema, environment="SERVING").anomaly_info
    assert set(tfdv.validate_statistics(serving, schema, environment="TRAINING").anomaly_info) == {
        "label",
        "uri",
        "group",
    }
    assert not tfdv.validate_statistics(training, schema, "TRAINING", serving_statistics=serving).anomaly_info
    darken(serving)
    skewed = tfdv.validate_statistics(training, schema, "TRAINING", serving_statistics=serving).anomaly_info
    assert set(skewed) == {"mean_red"}


def darken(statistics: Any) -> None:
    (red,) = [one for one in statistics.datasets[0].features if one.path.step[0] == "mean_red"]
    for histogram in red.num_stats.histograms:
        for bucket in histogram.buckets:
            bucket.low_value, bucket.high_value = bucket.low_value / 10, bucket.high_value / 10


def test_one_label_that_is_no_class_stops_the_run_and_is_named(run: Callable[..., Path], tmp_path: Path) -> None:
    data = healthy(tmp_path / "data")
    write(tmp_path / "data", {"elk/lost.png": encoded(5000)})
    with pytest.raises(DataRefused) as refused:
        run(data, classes=("cat", "dog"))
    assert "label: Unexpected string values: " in str(refused.value) and "elk" in str(refused.value)
    assert "label 'elk' is not a class" in str(refused.value)
    assert refused.value.found is not None
    (found,) = [found for found in refused.value.found["anomalies"].values() if found]
    assert found == {"label": 1}


def test_too_many_rejects_stop_the_run_and_a_higher_ceiling_lets_it_pass(
    run: Callable[..., Path], tmp_path: Path
) -> None:
    data = healthy(tmp_path / "data")
    write(tmp_path / "data", {"cat/broken.jpg": b"text"})
    with pytest.raises(DataRefused, match=r"1 of 32 images were rejected \(1 not_an_image\).*broken\.jpg"):
        run(data)
    assert run(data, max_reject_fraction=0.05).exists()
    told = json.loads(max(tmp_path.glob("root/DataGate/decision/*/decision.json")).read_text())
    assert told["rejected_by_reason"] == {"not_an_image": 1}
    assert told["reject_share"]["value"] == pytest.approx(1 / 32)
