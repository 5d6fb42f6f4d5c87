"""Every kind of backbone through the whole pipeline; the tests of a kind go on in one folder, in order.

Other tests of the pipeline run resnet50 and resnet8.
"""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from components.backbone.kinds import KINDS, Backbone
from components.cases.pictures import png
from pipeline.config import load
from tests.conftest import Finished

pytestmark = [pytest.mark.engine, pytest.mark.long]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Three colours with noise, 240 pictures each; the features of drawn weights tell them apart."""
    folder, random = tmp_path_factory.mktemp("colours"), np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        for number in range(240):
            pixels = random.integers(0, 120, (24, 24, 3), dtype=np.uint8)
            pixels[..., channel] += 120
            place = folder / ("eval" if number % 3 == 0 else "train") / name / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(png(pixels))
    return folder


@pytest.fixture(scope="module", params=[name for name in KINDS if name not in ("resnet50", "resnet8")])
def kind(request) -> Backbone:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def run_kind(kind, pictures, run_in_process, tmp_path_factory):
    """Runs the pipeline with the kind on drawn weights."""
    folder = tmp_path_factory.mktemp(kind.kind)
    keras.utils.set_random_seed(1)
    kind.build(32).save_weights(folder / "random.weights.h5")
    told = [f"backbone.kind={kind.kind}", f"backbone.weights={folder}/random.weights.h5", f"data.uri={pictures}"]
    return lambda *overrides: run_in_process(folder / "output", *told, *overrides)


TRAINED = (
    *("trainer.head.epochs=20", "trainer.head.learning_rate=0.01"),
    *("trainer.fine_tune.blocks=1", "trainer.fine_tune.epochs=1", "trainer.fine_tune.learning_rate=1e-5"),
)


@pytest.fixture(scope="module")
def pushed(run_kind) -> Finished:
    return run_kind(*TRAINED)


def document(finished: Finished, node: str, output: str, name: str) -> dict:
    return json.loads((finished.newest(node, output) / name).read_text())


def test_a_kind_is_trained_gated_and_served(kind, pushed):
    assert pushed.summary["status"] == "pushed", pushed.summary["message"]
    served = document(pushed, "ServingCheck", "report", "serving.json")
    assert served["passed"], served["findings"]
    proof = document(pushed, "Trainer", "model", "Format-Serving/assets.extra/freeze_proof.json")
    assert proof["passed"] and proof["trainable_weights"] == proof["expected_trainable_weights"] > 0
    contract = document(pushed, "Trainer", "model", "Format-Serving/assets.extra/frostgate.json")
    assert (contract["backbone"]["kind"], contract["preprocessing"]) == (kind.kind, kind.family.name)
    assert contract["embedding_size"] == kind.embedding_size


def test_a_training_goes_on_from_the_champion(run_kind, pushed):
    again = run_kind(*TRAINED, "trainer.warm_start=champion", "trainer.seed=3")
    assert again.summary["verdict"]["warm_start"]["version"] == "1", again.summary["verdict"]["warm_start"]
    assert again.summary["status"] == "pushed", again.summary["message"]


def test_the_doctor_reads_the_export_and_finds_its_scaling(kind, pictures, pushed):
    model = pushed.newest("Trainer", "model") / "Format-Keras" / "model.keras"
    command = [sys.executable, "-m", "pipeline.cli.main", "doctor", str(model), "--json"]
    command += ["--train", str(pictures / "train"), "--eval", str(pictures / "eval")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["decision"], report["preprocessing"]) == ("PASS", kind.family.name)


def test_frozen_batch_statistics_are_the_cause_where_there_are_any(kind, run_kind):
    naive = run_kind("trainer.run_fn=components.cases.frozen_batch_stats.naive", "name=naive")
    verdict = naive.summary["verdict"]
    if kind.has_batch_norm:
        assert naive.summary["status"] == "blocked", naive.summary["message"]
        assert verdict["diagnosis"]["causes"][0]["id"] == "batch_norm_mode"
    else:
        assert verdict["measurements"]["A"] == verdict["measurements"]["B"]


def test_from_scratch_what_never_converged_is_repaired(kind, run_kind):
    told = ["backbone.weights=none", "trainer.from_scratch.epochs=3", "trainer.from_scratch.momentum=0.999"]
    finished = run_kind(*told, "repair=batch_norm", "name=scratch")
    naive = json.loads((finished.newest("PushGate", "verdict") / "verdict.json").read_text())
    repaired = finished.summary["verdict"]
    if kind.has_batch_norm:
        assert naive["diagnosis"]["causes"][0]["id"] == "statistics_not_converged"
        assert repaired["repaired_from"] == naive["fingerprints"]["model"]
    else:
        assert repaired["repaired_from"] is None


def test_a_kind_is_compiled_with_its_settings(kind):
    from pipeline.runners.kubeflow.compiling import compile_pipeline

    told = [f"kubeflow.image=frostgate@sha256:{64 * '0'}", f"backbone.kind={kind.kind}", "data.classes=['a', 'b']"]
    assert kind.kind in compile_pipeline(load(None, told)).to_yaml()
