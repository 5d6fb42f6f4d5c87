import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.autograph.impl import api as autograph

from components.backbone.kinds import KINDS
from components.backbone.modes import fingerprint
from components.errors import ArtifactChanged, DataRefused
from components.trainer.run_fn import run_fn
from components.trainer.settings import (
    AugmentSettings,
    FineTuneSettings,
    FromScratchSettings,
    HeadSettings,
    TrainerSettings,
)
from schemas import features

pytestmark = pytest.mark.tfx

HEAD_ONLY = TrainerSettings(head=HeadSettings(epochs=6))
FINE_TUNED = TrainerSettings(
    head=HeadSettings(epochs=3),
    fine_tune=FineTuneSettings(blocks=1, epochs=2, learning_rate=1e-4),
    augment=AugmentSettings(flip=True, crop=0.2, colour=0.2),
)


def facts(args, name: str) -> dict:
    return json.loads((Path(args.serving_model_dir) / "assets.extra" / name).read_text())


def keras_model(args) -> keras.Model:
    return keras.models.load_model(Path(args.serving_model_dir).parent / "Format-Keras" / "model.keras")


@pytest.fixture(scope="module")
def rewritten():
    """The modules of the functions whose source AutoGraph rewrote while the trainings below ran."""
    convert, modules = autograph._convert_actual, []

    def spy(entity, *rest):
        modules.append(entity.__module__)
        return convert(entity, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autograph, "_convert_actual", spy)
        yield modules


@pytest.fixture(scope="module")
def fine_tuned(make_args, rewritten, tmp_path_factory):
    args = make_args(FINE_TUNED, tmp_path_factory.mktemp("whole"))
    run_fn(args)
    return args


@pytest.fixture(scope="module")
def head_only(make_args, rewritten, tmp_path_factory):
    args = make_args(HEAD_ONLY, tmp_path_factory.mktemp("head"))
    run_fn(args)
    return args


@pytest.fixture(scope="module")
def eval_examples(prepared) -> list[bytes]:
    shards = sorted(map(str, prepared.glob("artifacts/ImageExampleGen/examples/*/Split-eval/*")))
    return [record.numpy() for record in tf.data.TFRecordDataset(shards, "GZIP").take(40)]


def test_a_head_on_frozen_features_exports_one_model_with_five_ways_in(head_only, eval_examples):
    args = head_only
    served = tf.saved_model.load(args.serving_model_dir).signatures
    assert set(served) == {"serving_default", "evaluate", "transform_labels", "embeddings", "pixels"}
    examples = [tf.train.Example.FromString(raw).features.feature for raw in eval_examples]
    images = tf.constant([example[features.IMAGE_BYTES].bytes_list.value[0] for example in examples])
    labels = [example[features.LABEL].bytes_list.value[0].decode() for example in examples]

    answer = served["serving_default"](image_bytes=images)
    pixels = served["pixels"](image_bytes=images)["pixels"]
    probabilities = answer["probabilities"].numpy()
    np.testing.assert_allclose(
        probabilities, served["evaluate"](tf.constant(eval_examples))["probabilities"], atol=1e-5
    )
    np.testing.assert_allclose(probabilities, keras_model(args).predict(pixels, verbose=0), atol=1e-5)
    assert [list("56789")[index] for index in probabilities.argmax(1)] == [
        n.decode() for n in answer["class_name"].numpy()
    ]
    indices = served["transform_labels"](tf.constant(eval_examples))["label_index"].numpy()
    assert [list("56789")[index] for index in indices] == labels
    assert served["embeddings"](image_bytes=images)["embeddings"].shape == (40, 128)

    assert facts(args, "frostgate.json")["classes"] == list("56789")
    proof = facts(args, "freeze_proof.json")
    assert proof["passed"] and proof["mode_difference"] == 0 and proof["num_frozen_weights"] == 45
    (phase,) = facts(args, "history.json")["phases"]
    assert len(phase["epochs"]) == 6
    assert phase["epochs"][-1]["train_accuracy"] > phase["epochs"][0]["train_accuracy"]


def test_no_second_is_spent_on_rewriting_sources_that_branch_on_no_tensor(head_only, fine_tuned, rewritten):
    ours = ("components.", "tensorflow_transform.", "tf_keras.")
    assert [module for module in rewritten if module.startswith(ours)] == []


def test_fine_tuning_changes_the_top_block_and_nothing_else_of_the_backbone(fine_tuned, random_backbone):
    proof = facts(fine_tuned, "freeze_proof.json")
    assert proof["passed"], proof["findings"]
    assert proof["trainable_weights"] == proof["expected_trainable_weights"] == 3
    assert [phase["name"] for phase in facts(fine_tuned, "history.json")["phases"]] == ["head", "fine_tune"]
    before = KINDS["resnet8"].build(32)
    before.load_weights(random_backbone / "backbone.weights.h5")
    after = keras_model(fine_tuned).get_layer("resnet8")
    changed = {
        new.path.split("/")[-2]
        for old, new in zip(before.weights, after.weights, strict=True)
        if not np.array_equal(old.numpy(), new.numpy())
    }
    assert changed == {"stage3_block1_0_conv", "stage3_block1_1_conv", "stage3_block1_2_conv"}


def test_from_scratch_trains_everything_and_lints_the_momentum(make_args, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "backbone.json").write_text('{"kind": "resnet8", "weights": "none", "sha256": ""}')
    scratch = FromScratchSettings(epochs=1, momentum=0.99)
    args = make_args(TrainerSettings(from_scratch=scratch), tmp_path / "run", base_model=str(tmp_path / "none"))
    run_fn(args)
    history = facts(args, "history.json")
    assert history["num_updates"] == 17
    assert history["momentum_lint"].startswith("17 updates at BatchNorm momentum 0.99 leave 84%")
    assert facts(args, "freeze_proof.json")["passed"]


@pytest.mark.parametrize("is_gone", [False, True], ids=["shorter", "gone"])
@pytest.mark.parametrize("name", ["backbone.weights.h5", "backbone.json"])
def test_a_backbone_that_is_not_what_its_step_wrote_is_made_again(make_args, random_backbone, tmp_path, name, is_gone):
    changed = shutil.copytree(random_backbone, tmp_path / "artifact" / "Format-Serving")
    file = changed / name
    file.unlink() if is_gone else file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArtifactChanged, match=f"{name} is not what the step wrote") as error:
        run_fn(make_args(FINE_TUNED, tmp_path / "run", base_model=str(changed)))
    assert error.value.folder == str(tmp_path / "artifact")


def test_fine_tuning_without_weights_is_refused(make_args, tmp_path):
    (tmp_path / "backbone.json").write_text('{"kind": "resnet8", "weights": "none", "sha256": ""}')
    with pytest.raises(DataRefused, match="needs a pretrained backbone"):
        run_fn(make_args(FINE_TUNED, tmp_path / "run", base_model=str(tmp_path)))


@pytest.mark.parametrize(("phase", "num_epochs"), [pytest.param("head", 2, marks=pytest.mark.long), ("fine_tune", 1)])
def test_a_killed_training_continues_to_the_same_weights(
    make_args, fine_tuned, prepared, random_backbone, tmp_path, phase, num_epochs
):
    killed = make_args(FINE_TUNED, tmp_path / "killed")
    script = Path(__file__).with_name("killed_run.py")
    arguments = [prepared, random_backbone, tmp_path / "killed", FINE_TUNED.model_dump_json(), phase, num_epochs]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)], env=os.environ | {"PYTHONPATH": str(root)}, cwd=root
    )
    assert done.returncode == -signal.SIGKILL
    assert not Path(killed.serving_model_dir).exists()
    run_fn(killed)
    # Weights and moving statistics; a dropout's seed is drawn anew whenever a file is loaded.
    assert fingerprint(keras_model(killed).weights) == fingerprint(keras_model(fine_tuned).weights)
    assert [len(p["epochs"]) for p in facts(killed, "history.json")["phases"]] == [3, 2]


def test_a_finished_training_leaves_features_but_no_checkpoints(head_only):
    work = Path(head_only.custom_config["work_dir"])
    assert not (work / "checkpoints").exists()
    assert len(list((work / "features").glob("*/done.json"))) == 2


@pytest.mark.long
def test_four_devices_train_as_one_does_and_what_is_frozen_stays_so(make_args, prepared, random_backbone, tmp_path):
    # Devices draw dropout and augmentation each for itself; without them only the order of sums differs.
    told = TrainerSettings(
        head=HeadSettings(epochs=2, dropout=0),
        fine_tune=FineTuneSettings(blocks=1, epochs=1, learning_rate=1e-4),
    )
    one, four = make_args(told, tmp_path / "one"), make_args(told, tmp_path / "four")
    run_fn(one)
    script = Path(__file__).with_name("many_devices.py")
    command = [sys.executable, str(script), str(prepared), str(random_backbone)]
    command += [str(tmp_path / "four"), told.model_dump_json(), "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert "on 4 device(s)" in done.stderr
    here, there = facts(one, "freeze_proof.json"), facts(four, "freeze_proof.json")
    assert here["passed"] and there["passed"]
    assert here["frozen_after"] == there["frozen_after"] and here["num_frozen_weights"] > 30
    for mine, theirs in zip(epochs(one), epochs(four), strict=True):
        for name in ("loss", "train_loss", "stop_loss"):
            assert theirs[name] == pytest.approx(mine[name], rel=0.01), (mine, theirs)


def epochs(args) -> list[dict]:
    return [epoch for phase in facts(args, "history.json")["phases"] for epoch in phase["epochs"]]


@pytest.mark.parametrize(("num_gpus", "is_mirrored"), [(0, False), (1, False), (4, True)])
def test_several_gpus_are_all_used_and_one_or_none_needs_no_strategy(monkeypatch, num_gpus, is_mirrored):
    from components.trainer import hardware

    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [f"GPU:{number}" for number in range(num_gpus)])
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")
    assert (hardware.strategy() == "mirrored") is is_mirrored


@pytest.mark.parametrize(("number", "decide"), [(19, False), (20, True)])
def test_too_few_images_to_stop_by_are_trained_on(prepared, make_args, tmp_path, number, decide):
    from components.trainer.inputs import from_fn_args

    shards = sorted(map(str, prepared.glob("artifacts/ImageExampleGen/examples/*/Split-stop/*")))
    few = str(tmp_path / "few.gz")
    with tf.io.TFRecordWriter(few, "GZIP") as writer:
        for record in tf.data.TFRecordDataset(shards, "GZIP").take(number):
            writer.write(record.numpy())
    inputs = from_fn_args(make_args(HEAD_ONLY, tmp_path, eval_files=[few]))
    assert inputs.has_stop_images is decide and inputs.stop_files == ((few,) if decide else ())
    assert (few in inputs.train_files) is not decide
