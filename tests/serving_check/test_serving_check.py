"""Exports, good and spoiled, in a real fresh process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from components.preprocessing import Family
from components.serving_check.check import check
from components.serving_check.launch import environment, run_probe
from components.serving_check.requests import plan
from components.serving_check.settings import ServingCheckSettings

pytestmark = pytest.mark.tfx
MakeModel = Callable[..., Path]
SETTINGS = ServingCheckSettings(num_timed_requests=2)


def run(folder: Path, images: list[bytes], settings: ServingCheckSettings = SETTINGS) -> dict:
    return check(folder / "Format-Serving", folder / "Format-Keras" / "model.keras", images, settings)


@pytest.fixture(scope="session")
def good_model(make_model: MakeModel) -> Path:
    return make_model()


def test_a_good_export_passes_every_request_and_its_latency_is_recorded(good_model: Path, images: list[bytes]) -> None:
    report = run(good_model, images)
    assert report["findings"] == [] and report["passed"]
    assert 0 <= report["max_difference"] <= 1e-5
    assert {size: sorted(values) for size, values in report["latency_ms"].items()} == {
        "1": ["p50", "p95"],
        "32": ["p50", "p95"],
    }
    outcomes = {request["name"]: request["outcome"] for request in report["requests"]}
    refused = {name for name, outcome in outcomes.items() if outcome == "refused"}
    assert refused == {"empty", "text", "half_jpeg", "jpeg_without_its_end", "half_png", "bmp"}
    assert set(outcomes.values()) == {"answered", "refused"}
    reasons = {request["name"]: request["detail"] for request in report["requests"]}
    assert reasons["empty"] == "Input is empty." and "Invalid PNG data" in reasons["half_png"]
    json.dumps(report, allow_nan=False)


def sloppy(image_bytes: tf.Tensor, size: int, family: Family) -> tf.Tensor:
    def decode(contents: tf.Tensor) -> tf.Tensor:
        picture = tf.io.decode_image(contents, channels=3, expand_animations=False)
        return tf.reshape(tf.image.resize(picture, [size, size]), [size, size, 3])

    return tf.map_fn(decode, image_bytes, fn_output_signature=tf.float32)


def test_a_decoder_that_ignores_exif_and_reads_bmp_is_found_out(make_model: MakeModel, images: list[bytes]) -> None:
    findings = run(make_model(pixels_of=sloppy), images)["findings"]
    assert any(text.startswith("exif_turned_jpeg: probabilities differ from exif_upright_png's") for text in findings)
    assert "bmp: must be refused; it was answered with probabilities" in findings
    assert any(text.startswith("batch_of_1: probabilities differ from the training graph's") for text in findings)


def test_an_export_of_other_weights_is_found_out(make_model: MakeModel, images: list[bytes]) -> None:
    report = run(make_model(shift=0.01), images)
    assert report["max_difference"] > 1e-4 and not report["passed"]
    assert all("probabilities differ from the training graph's" in text for text in report["findings"])


def test_an_export_without_class_names_is_refused(make_model: MakeModel, images: list[bytes]) -> None:
    spoiled = make_model(answer=lambda outputs: {"probabilities": outputs["probabilities"]})
    (finding,) = run(spoiled, images)["findings"]
    assert "serving_default must take" in finding and "it takes {'image_bytes': 'string'}" in finding


def test_class_names_in_another_order_are_found_out(make_model: MakeModel, images: list[bytes]) -> None:
    findings = run(make_model(classes=["dog", "cat", "emu"]), images)["findings"]
    assert any("class_index and class_name must name the most probable class" in text for text in findings)


def test_an_export_that_does_not_load_is_refused_with_the_reason(make_model: MakeModel, images: list[bytes]) -> None:
    broken = make_model()
    (broken / "Format-Serving" / "saved_model.pb").write_bytes(b"not a graph")
    report = run(broken, images)
    assert "ended with status 1" in report["findings"][0] and "saved_model.pb" in report["findings"][0]
    assert not report["passed"]


def test_an_export_that_hangs_is_stopped(make_model: MakeModel, images: list[bytes]) -> None:
    def forever(outputs: dict) -> dict:
        with tf.control_dependencies([tf.while_loop(lambda n: n < 2, lambda n: n * 1, [tf.constant(1)])[0]]):
            return {name: tf.identity(tensor) for name, tensor in outputs.items()}

    report = run(make_model(answer=forever), images, ServingCheckSettings(timeout_seconds=12))
    assert "took longer than 12 seconds and was stopped" in report["findings"][0]
    assert "before the first answer" in report["findings"][0]


def test_a_missing_training_graph_is_a_finding_and_not_a_pass(make_model: MakeModel, images: list[bytes]) -> None:
    lonely = make_model()
    (lonely / "Format-Keras" / "model.keras").unlink()
    report = run(lonely, images)
    assert not report["passed"] and "the training graph could not be asked: ValueError" in report["findings"][-1]


def test_without_a_validation_image_nothing_passes(good_model: Path) -> None:
    assert run(good_model, [])["findings"] == ["there is no validation image to ask with"]


def test_the_fresh_process_imports_as_this_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "relative", *sys.path])
    path = environment()["PYTHONPATH"].split(os.pathsep)
    assert path[:2] == [os.getcwd(), os.path.abspath("relative")] and path[2:] == sys.path[2:]


def test_nothing_in_the_working_directory_stands_in_for_a_module(
    good_model: Path, images: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(5)")
    monkeypatch.chdir(tmp_path)
    assert run_probe(good_model / "Format-Serving", plan(images)[:1], 1, 120).failure == ""


def test_the_probe_brings_neither_tfx_nor_training_code() -> None:
    code = (
        "import sys, components.serving_check.probe\n"
        "ours = {name for name in sys.modules if name.split('.')[0] in ('components', 'pipeline', 'schemas', 'tfx')}\n"
        "print(sorted(ours))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == str(["components", "components.serving_check", "components.serving_check.probe"])
