"""The node writes what the stock Pusher reads."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.components.util import model_utils
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model

from components.artifacts import ServingReport
from components.push_gate.fingerprint import directory_fingerprint, file_sha256
from components.serving_check.component import ServingCheck
from components.serving_check.settings import ServingCheckSettings

pytestmark = pytest.mark.tfx
Check = Callable[..., tuple[InfraBlessing, dict]]
MakeModel = Callable[..., Path]


@pytest.fixture
def check_node(tmp_path: Path, images: list[bytes]) -> Check:
    """Runs the node on a model's folder."""
    examples = Examples()
    examples.uri, examples.split_names = str(tmp_path / "examples"), '["train","eval"]'
    (tmp_path / "examples" / "Split-eval").mkdir(parents=True)
    shard = str(tmp_path / "examples" / "Split-eval" / "data.gz")
    with tf.io.TFRecordWriter(shard, options="GZIP") as writer:
        for image in images:
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
            features = tf.train.Features(feature={"image_bytes": feature})
            writer.write(tf.train.Example(features=features).SerializeToString())

    def run(folder: Path) -> tuple[InfraBlessing, dict]:
        model, blessing, report = Model(), InfraBlessing(), ServingReport()
        model.uri, blessing.uri, report.uri = str(folder), str(tmp_path / "blessing"), str(tmp_path / "report")
        inputs = {"model": [model], "examples": [examples]}
        properties = {"settings": ServingCheckSettings(num_timed_requests=1).model_dump_json(), "code_hash": "x"}
        executor = ServingCheck.EXECUTOR_SPEC.executor_class()
        executor.Do(inputs, {"blessing": [blessing], "report": [report]}, properties)
        return blessing, json.loads((tmp_path / "report" / "serving.json").read_text())

    return run


def test_a_good_model_is_blessed_as_the_stock_validator_would(
    check_node: Check, make_model: MakeModel, tmp_path: Path
) -> None:
    folder = make_model()
    blessing, report = check_node(folder)
    assert blessing.get_string_custom_property("model_fingerprint") == directory_fingerprint(str(folder))
    assert blessing.get_string_custom_property("document_sha256") == file_sha256(f"{tmp_path}/report/serving.json")
    assert model_utils.is_infra_validated(blessing) and report["passed"]
    assert [child.name for child in (tmp_path / "blessing").iterdir()] == ["INFRA_BLESSED"]


def test_a_model_that_does_not_load_is_not_blessed(check_node: Check, tmp_path: Path) -> None:
    blessing, report = check_node(tmp_path / "no such model")
    assert blessing.get_string_custom_property("model_fingerprint") == ""
    assert not model_utils.is_infra_validated(blessing) and report["findings"] and not report["passed"]
    assert [child.name for child in (tmp_path / "blessing").iterdir()] == ["INFRA_NOT_BLESSED"]
