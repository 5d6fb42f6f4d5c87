"""A training that starts from a registered model's weights, or cold and says why."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from components.backbone.kinds import KINDS
from components.errors import DataRefused
from components.registry.protocol import KERAS, VALIDATION, WARM_START
from components.registry.settings import RegistrySettings
from components.trainer import run_fn as trainer
from components.trainer.inputs import Trained, from_fn_args
from components.trainer.run_fn import run_fn
from components.trainer.settings import AugmentSettings, FineTuneSettings, FromScratchSettings, HeadSettings
from components.trainer.settings import TrainerSettings as Settings
from components.trainer.start import load_whole

pytestmark = pytest.mark.tfx

HEAD = Settings(head=HeadSettings(epochs=4, learning_rate=3e-4), warm_start="champion")
FINE = Settings(
    head=HeadSettings(epochs=3),
    fine_tune=FineTuneSettings(blocks=1, epochs=2, learning_rate=1e-4),
    augment=AugmentSettings(flip=True),
    warm_start="champion",
)
SCRATCH = Settings(from_scratch=FromScratchSettings(epochs=1), warm_start="champion")
TOP_BLOCK = {"stage3_block1_0_conv", "stage3_block1_1_conv", "stage3_block1_2_conv"}


def helpers():
    spec = importlib.util.spec_from_file_location("trainer_champions", Path(__file__).with_name("champions.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def champions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    settings = RegistrySettings(uri=f"sqlite:///{folder}/mlflow.db", model_name="digits")
    return helpers().Champions(settings, folder)


@pytest.fixture(scope="module")
def hashed_backbone(random_backbone, tmp_path_factory):
    """The random backbone as the Backbone node describes it."""
    folder = tmp_path_factory.mktemp("hashed")
    shutil.copy(random_backbone / "backbone.weights.h5", folder)
    shutil.copy(random_backbone / "backbone.json", folder)
    return folder


@pytest.fixture(scope="module")
def trained(make_args, hashed_backbone, tmp_path_factory):
    """Trains cold, once for each settings."""
    done = {}

    def train_cold(settings, backbone=hashed_backbone):
        key = (settings.model_dump_json(), str(backbone))
        if key not in done:
            done[key] = make_args(settings, tmp_path_factory.mktemp("cold"), base_model=str(backbone))
            run_fn(done[key])
        return done[key]

    return train_cold


@pytest.fixture(scope="module")
def no_weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("none")
    (folder / "backbone.json").write_text('{"kind": "resnet8", "weights": "none", "sha256": ""}')
    return folder


@pytest.fixture(scope="module")
def goes_on(make_args, champions, trained, hashed_backbone, tmp_path_factory):
    """Trains from the model that the same settings gave, once, without an interruption."""
    done = {}

    def train_on(settings):
        if settings not in done:
            folder = tmp_path_factory.mktemp("warm")
            version = champions.register(trained(settings))
            start = champions.start(version, settings, hashed_backbone, folder / "nodes")
            done[settings] = version, start, train(make_args(settings, folder, base_model=str(start)))
        return done[settings]

    return train_on


def train(args) -> Trained:
    """All of `run_fn` but the export, which takes longer than the training."""
    return trainer.train(from_fn_args(args))


def facts(args, name: str) -> dict:
    return json.loads((Path(args.serving_model_dir) / "assets.extra" / name).read_text())


def weights_of(trained) -> list[np.ndarray]:
    if isinstance(trained, Trained):
        return [variable.numpy() for variable in trained.model.weights]
    file = Path(trained.serving_model_dir).parent / "Format-Keras" / "model.keras"
    return [variable.numpy() for variable in keras.models.load_model(file).weights]


def are_equal(first, second) -> bool:
    pairs = zip(weights_of(first), weights_of(second), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def started(folder: Path) -> dict:
    return json.loads((folder / "warm_start.json").read_text())


@pytest.mark.parametrize("settings", [pytest.param(HEAD, marks=pytest.mark.long), FINE], ids=["head", "fine_tune"])
def test_a_warm_training_begins_better_and_its_frozen_part_is_the_sources(goes_on, trained, random_backbone, settings):
    version, start, warm = goes_on(settings)
    assert started(start)["version"] == version
    assert started(start)["sentence"] == f"The training started from the weights of version {version}."
    cold = facts(trained(settings), "history.json")["phases"][0]["epochs"]
    assert warm.phases[0]["epochs"][0]["stop_loss"] < cold[-1]["stop_loss"] < cold[0]["stop_loss"]
    proof, before = warm.proof.model_dump(mode="json"), facts(trained(settings), "freeze_proof.json")
    assert proof["passed"], proof["findings"]
    for key in ("frozen_before", "frozen_after", "num_frozen_weights", "trainable_weights"):
        assert proof[key] == before[key]
    source = KINDS["resnet8"].build(32)
    source.load_weights(random_backbone / "backbone.weights.h5")
    pairs = zip(source.weights, warm.model.get_layer("resnet8").weights, strict=True)
    changed = {new.path.split("/")[-2] for old, new in pairs if not np.array_equal(old.numpy(), new.numpy())}
    assert changed == (TOP_BLOCK if settings is FINE else set())


def test_fine_tuning_goes_on_from_the_blocks_that_the_champion_trained(goes_on, trained, make_args, tmp_path):
    _, start, _ = goes_on(FINE)
    # A step too small to move anything: what comes out is what went in.
    still = FINE.model_copy(
        update={
            "fine_tune": FineTuneSettings(blocks=1, epochs=1, learning_rate=1e-30),
            "head": HeadSettings(epochs=1, learning_rate=1e-30),
        }
    )
    warm = train(make_args(still, tmp_path, base_model=str(start)))
    for mine, theirs in zip(weights_of(warm), weights_of(trained(FINE)), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_from_scratch_all_weights_and_moving_statistics_go_on(champions, trained, make_args, no_weights, tmp_path):
    cold = trained(SCRATCH, no_weights)
    start = champions.start(champions.register(cold), SCRATCH, no_weights, tmp_path / "nodes")
    inputs = from_fn_args(make_args(SCRATCH, tmp_path, base_model=str(start)))
    backbone = KINDS["resnet8"].build(32)
    load_whole(inputs.weights_dir, backbone)
    theirs = weights_of(cold)
    for mine, other in zip(backbone.weights, theirs, strict=False):
        np.testing.assert_array_equal(mine.numpy(), other)
    warm, before = trainer.train(inputs), facts(cold, "history.json")
    # In training mode: after so few steps of a fresh optimizer, moving statistics lag behind the weights.
    assert warm.phases[0]["epochs"][0]["loss"] < before["phases"][0]["epochs"][0]["loss"]
    assert warm.num_updates == before["num_updates"] + 17
    assert warm.proof.passed


def with_weights(args, folder: Path, change):
    """Copies an export and changes the weights in its Keras file."""
    copy = folder / "model"
    shutil.copytree(Path(args.serving_model_dir).parent, copy)
    file = copy / "Format-Keras" / "model.keras"
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    weights = folder / "model.weights.h5"
    weights.write_bytes(parts["model.weights.h5"])
    with h5py.File(weights, "r+") as stored:
        change(stored)
    parts["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    # The registry knows a model by its SavedModel.
    (copy / "Format-Serving" / "assets.extra" / "changed").write_text(str(folder))
    return type(args)(**vars(args) | {"serving_model_dir": str(copy / "Format-Serving")})


def not_a_number(stored) -> None:
    stored["layers/sequential/layers/dense/vars/0"][0, 0] = np.nan


def moving_mean(stored) -> None:
    stored["layers/functional/layers/batch_normalization/vars/2"][...] += 1.0


def other_shape(stored) -> None:
    del stored["layers/sequential/layers/dense/vars/0"]
    stored["layers/sequential/layers/dense/vars/0"] = np.zeros((7, 5), np.float32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (not_a_number, "has weights that are not finite numbers"),
        (
            moving_mean,
            "has 1 layers that are frozen here and differ from the source backbone's (stem_bn); "
            "trainer.fine_tune.blocks is 0",
        ),
        (other_shape, "has weights of another shape (A total of 1 objects could not be loaded"),
    ],
)
def test_weights_that_must_not_be_started_from_are_not(champions, trained, hashed_backbone, tmp_path, change, reason):
    version = champions.register(with_weights(trained(HEAD), tmp_path, change))
    start = champions.start(version, HEAD, hashed_backbone, tmp_path / "nodes")
    assert started(start)["sentence"].startswith(f"The training started cold: version {version} {reason}")
    assert started(start)["version"] is None
    assert not list(start.glob("head*")) and not list(start.glob("champion*"))


def test_a_champion_that_does_not_fit_is_a_cold_start_like_any_other(
    champions, trained, make_args, hashed_backbone, tmp_path
):
    # Its top block was trained, and is frozen here.
    version = champions.register(trained(FINE))
    start = champions.start(version, HEAD, hashed_backbone, tmp_path / "nodes")
    inputs = from_fn_args(make_args(HEAD, tmp_path, base_model=str(start)))
    done = trainer.train(inputs)
    differing = [layer.name for layer in KINDS["resnet8"].build(32).layers if layer.name in TOP_BLOCK]
    assert inputs.history(done)["warm_start"] == {
        "version": None,
        "sentence": f"The training started cold: version {version} has 3 layers that are frozen here and differ from "
        f"the source backbone's ({', '.join(differing)}); trainer.fine_tune.blocks is 0.",
    }
    assert are_equal(done, trained(HEAD))


def test_who_asks_for_no_start_gets_no_word_of_one(trained):
    assert set(facts(trained(HEAD), "history.json")) == {"phases", "num_updates", "momentum_lint"}


@pytest.mark.parametrize(
    ("tags", "changes", "reason"),
    [
        ({KERAS: ""}, {}, "version {} has no Keras file whose hash was registered"),
        ({VALIDATION: "0.1"}, {}, "version {} was validated on 0.1 of the images and now it is 0.33"),
        ({}, {"image_size": 64}, "version {} takes images of 32 pixels, and transform.image_size is 64"),
        ({}, {"classes": '["9", "8", "7", "6", "5"]'}, "version {} has its classes in another order (5, 6, 7, 8, 9;"),
        ({"key": "new"}, {}, "version {} came from this very training, and started cold"),
        ({"key": "new", WARM_START: "77"}, {}, "version 77, from which version {} started, is gone"),
    ],
)
def test_the_node_says_why_a_training_starts_cold(champions, trained, hashed_backbone, tmp_path, tags, changes, reason):
    # Another model for the registry, which keeps what it has of the same one.
    args = with_weights(trained(HEAD), tmp_path, lambda stored: None)
    version = champions.register(args, **tags)
    start = champions.start(version, HEAD, hashed_backbone, tmp_path / "nodes", **changes)
    assert started(start)["sentence"].startswith(f"The training started cold: {reason.format(version)}")
    assert started(start)["version"] is None


def test_without_a_champion_the_training_starts_cold(champions, hashed_backbone, tmp_path):
    start = champions.start("none", HEAD, hashed_backbone, tmp_path)
    assert started(start)["sentence"] == "The training started cold: there is no champion yet."
    assert {path.name for path in start.iterdir()} == {"backbone.json", "backbone.weights.h5", "warm_start.json"}


def test_a_repetition_starts_where_the_training_did_that_it_repeats(champions, trained, hashed_backbone, tmp_path):
    first = champions.register(with_weights(trained(HEAD), tmp_path / "a", lambda stored: None))
    again = with_weights(trained(HEAD), tmp_path / "b", lambda stored: None)
    second = champions.register(again, key="new", **{WARM_START: first})
    start = champions.start(second, HEAD, hashed_backbone, tmp_path / "nodes")
    assert started(start)["version"] == first


def test_a_keras_file_that_changed_in_the_registry_stops_the_run(champions, trained, hashed_backbone, tmp_path):
    args = with_weights(trained(HEAD), tmp_path, lambda stored: None)
    version = champions.register(args, **{KERAS: "0" * 64})
    with pytest.raises(DataRefused, match=f"version {version} of digits must hash to {'0' * 64}"):
        champions.start(version, HEAD, hashed_backbone, tmp_path / "nodes")


def test_a_half_finished_training_is_not_continued_from_another_start(
    goes_on, trained, make_args, hashed_backbone, tmp_path
):
    _, start, whole = goes_on(HEAD)
    half = train(make_args(HEAD, tmp_path, base_model=str(hashed_backbone)))
    assert list((tmp_path / "work").glob("checkpoints/head/progress.json"))
    # The champion came meanwhile; then it went again.
    warm = train(make_args(HEAD, tmp_path, base_model=str(start)))
    assert are_equal(warm, whole) and not are_equal(warm, half)
    assert are_equal(train(make_args(HEAD, tmp_path, base_model=str(hashed_backbone))), trained(HEAD))


@pytest.mark.long
@pytest.mark.parametrize(("phase", "num_epochs"), [("head", 2), ("fine_tune", 1)])
def test_a_killed_warm_training_continues_to_the_same_weights(
    goes_on, trained, make_args, prepared, tmp_path, phase, num_epochs
):
    _, start, whole = goes_on(FINE)
    script, root = Path(__file__).with_name("killed_run.py"), Path(__file__).parents[2]
    folder = f"checkpoints-{started(start)['fingerprint'][:16]}"
    arguments = [prepared, start, tmp_path, FINE.model_dump_json(), phase, num_epochs, folder]
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)], env=os.environ | {"PYTHONPATH": str(root)}, cwd=root
    )
    assert done.returncode == -signal.SIGKILL
    killed = make_args(FINE, tmp_path, base_model=str(start))
    assert not Path(killed.serving_model_dir).exists()
    resumed = train(killed)
    assert are_equal(resumed, whole) and not are_equal(resumed, trained(FINE))
