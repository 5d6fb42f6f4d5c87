"""Every kind of backbone through the whole pipeline: frozen, its top block trained, exported, gated and served."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from components.backbone.kinds import KINDS
from components.cases.pictures import png

pytestmark = [pytest.mark.engine, pytest.mark.long]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Three colours with noise, 40 pictures each."""
    folder, random = tmp_path_factory.mktemp("colours"), np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir()
        for number in range(40):
            pixels = random.integers(0, 120, (24, 24, 3), dtype=np.uint8)
            pixels[..., channel] += 120
            (folder / name / f"{number}.png").write_bytes(png(pixels))
    return folder


# Other tests of the pipeline run resnet50.
@pytest.mark.parametrize("name", [name for name in KINDS if name != "resnet50"])
def test_a_kind_is_trained_gated_and_served(name, pictures, run_in_process, tmp_path):
    keras.utils.set_random_seed(1)
    weights = tmp_path / "random.weights.h5"
    KINDS[name].build(32).save_weights(weights)
    told = [f"backbone.kind={name}", f"backbone.weights={weights}", f"data.uri={pictures}", "trainer.head.epochs=20"]
    told += ["trainer.fine_tune.blocks=1", "trainer.fine_tune.epochs=1", "trainer.fine_tune.learning_rate=1e-4"]
    finished = run_in_process(tmp_path / "output", *told)
    verdict = finished.summary["verdict"]
    # Too few pictures for a push, and random features; what is asked is that nothing of it is broken.
    assert finished.summary["status"] in ("held", "blocked"), finished.summary["message"]
    assert "G0" not in verdict["codes"]
    served = json.loads((finished.newest("ServingCheck", "report") / "serving.json").read_text())
    assert served["passed"], served["findings"]
    facts = finished.newest("Trainer", "model") / "Format-Serving" / "assets.extra"
    proof = json.loads((facts / "freeze_proof.json").read_text())
    assert proof["passed"] and proof["trainable_weights"] == proof["expected_trainable_weights"] > 0
    contract = json.loads((facts / "frostgate.json").read_text())
    assert (contract["backbone"]["kind"], contract["preprocessing"]) == (name, KINDS[name].family.name)
    assert contract["embedding_size"] == KINDS[name].embedding_size
