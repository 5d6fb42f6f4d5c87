"""Every kind of backbone through everything that a user does with one, by the commands that a user types."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.backbone.kinds import KINDS
from components.cases.pictures import png
from tests.conftest import Finished
from tests.pipeline.conftest import frostgate

pytestmark = [pytest.mark.engine, pytest.mark.long]

# Digits are another task than colours, so moving statistics learned on them are not those of colours.
SHORT = ("backbone.pretrain.orientations=1", "backbone.pretrain.epochs=1")
FINE_TUNING = ("trainer.head.epochs=20", "trainer.fine_tune.blocks=1", "trainer.fine_tune.epochs=1")
# With those that BatchNorm begins with, the others tell colours apart.
REPAIRED = ("resnet50", "resnet50_v2", "mobilenet_v3_large")
# The frozen features that tell colours apart take MobileNetV3 more than one pass over one orientation.
LONGER = {"mobilenet_v3_large": ("backbone.pretrain.orientations=8",)}


def draw(folder: Path, seed: int, count: int) -> Path:
    """Draws three colours with noise, so many pictures of each."""
    random = np.random.default_rng(seed)
    for channel, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir()
        for number in range(count):
            pixels = random.integers(0, 120, (24, 24, 3), dtype=np.uint8)
            pixels[..., channel] += 120
            (folder / name / f"{number}.png").write_bytes(png(pixels))
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return draw(tmp_path_factory.mktemp("colours"), 0, 240)


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def run(kind, pictures, tmp_path_factory) -> Callable[..., Finished]:
    """Runs the kind under a name; all its runs share a cache, and with it the pretrained weights."""
    output = tmp_path_factory.mktemp(kind)
    shared = (f"backbone.kind={kind}", f"data.uri={pictures}", *SHORT)

    def as_told(name: str, *told: str) -> Finished:
        settings = (f"output={output}", f"name={name}", *shared, *told)
        done = frostgate("run", "--json", *(f"--set={setting}" for setting in settings))
        assert done.stdout, done.stderr
        return Finished(json.loads(done.stdout), output, name)

    return as_told


@pytest.fixture(scope="module")
def tuning(kind) -> tuple[str, ...]:
    """A head on frozen features, then the top block."""
    return (*FINE_TUNING, *LONGER.get(kind, ()))


@pytest.fixture(scope="module")
def tuned(run, tuning) -> Finished:
    return run("tuned", *tuning)


def facts_of(finished: Finished, name: str) -> dict[str, Any]:
    """Reads a file of the export."""
    export = finished.newest("Trainer", "model") / "Format-Serving"
    return json.loads((export / "assets.extra" / name).read_text())


def causes_of(finished: Finished) -> list[str]:
    return [cause["id"] for cause in (finished.summary["verdict"]["diagnosis"] or {"causes": []})["causes"]]


def test_a_kind_is_trained_gated_and_served(kind, tuned):
    assert tuned.summary["status"] == "pushed", tuned.summary["message"]
    served = json.loads((tuned.newest("ServingCheck", "report") / "serving.json").read_text())
    assert served["passed"], served["findings"]
    proof = facts_of(tuned, "freeze_proof.json")
    assert proof["passed"] and proof["trainable_weights"] == proof["expected_trainable_weights"] > 0
    assert bool(proof["num_batch_norm_layers"]) is KINDS[kind].has_batch_norm
    contract = facts_of(tuned, "frostgate.json")
    assert (contract["backbone"]["kind"], contract["preprocessing"]) == (kind, KINDS[kind].family.name)
    assert contract["embedding_size"] == KINDS[kind].embedding_size


def test_a_kind_starts_from_its_champion(run, tuned, tuning):
    warm = run("tuned", *tuning, "trainer.warm_start=champion", "trainer.head.learning_rate=0.005")
    assert warm.summary["status"] == "pushed", warm.summary["message"]
    assert warm.summary["verdict"]["warm_start"]["version"] == tuned.summary["registered_version"] == "1"
    assert facts_of(warm, "freeze_proof.json")["passed"]


def test_the_doctor_passes_what_was_pushed(kind, tuned, pictures, tmp_path):
    model = tuned.newest("Trainer", "model") / "Format-Keras" / "model.keras"
    done = frostgate("doctor", str(model), "--train", str(pictures), "--eval", str(draw(tmp_path, 1, 80)), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["decision"]) == (0, "PASS"), report
    assert report["preprocessing"] == KINDS[kind].family.name


def test_frozen_batch_statistics_are_blocked_where_there_are_any(kind, run):
    naive = run("naive", "trainer.run_fn=components.cases.frozen_batch_stats.naive")
    if KINDS[kind].has_batch_norm:
        assert naive.summary["status"] == "blocked", naive.summary["message"]
        assert causes_of(naive)[0] == "batch_norm_mode"
    else:
        assert naive.summary["status"] == "pushed", naive.summary["message"]


def test_statistics_that_never_converged_are_repaired_where_they_matter(kind, run):
    told = ["backbone.weights=none", "trainer.from_scratch.momentum=0.9999", "trainer.from_scratch.epochs=3"]
    finished = run("scratch", *told, "repair=batch_norm")
    naive = json.loads((finished.newest("PushGate", "verdict") / "verdict.json").read_text())
    final = finished.summary["verdict"]
    if kind in REPAIRED:
        assert naive["decision"] == "BLOCK" and naive["diagnosis"]["causes"][0]["id"] == "statistics_not_converged"
        assert finished.summary["status"] == "pushed", finished.summary["message"]
        assert final["repaired_from"] == naive["fingerprints"]["model"] != final["fingerprints"]["model"]
    else:
        assert final["repaired_from"] is None and final["decision"] == naive["decision"]
