"""Files of ours that a disk, a copy or a kill damaged: they count as absent, and the log says so."""

import logging
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.backbone import pretrain
from components.trainer import phases
from components.trainer.checkpoints import PhaseCheckpoint, Progress
from components.trainer.feature_cache import embedded

pytestmark = pytest.mark.tfx

EPOCHS = 4
INPUTS = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)
TARGETS = np.eye(2, dtype=np.float32)[(INPUTS[:, 0] > 0).astype(int)]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    # In an archive a value of the first array: what else is in there does not change what is read.
    position = data.index(b"\x93NUMPY") + 130 if path.suffix == ".npz" else len(data) // 2
    data[position] ^= 0x01
    path.write_bytes(data)


def replace(path: Path) -> None:
    """By a file that can be read, of something else."""
    if path.suffix == ".npz":
        np.savez(path, np.zeros(3))
    else:
        path.write_text("[]")


def lose(path: Path) -> None:
    path.unlink()


def fold(path: Path) -> None:
    """A folder in its place, which no file can replace."""
    path.unlink()
    path.mkdir()


DAMAGES = (cut, empty, flip, replace, lose, fold)


def trained(
    folder: Path, log_dir: Path, epochs: int = EPOCHS, stops: bool = True
) -> tuple[list[np.ndarray], list[float]]:
    """Trains a toy for some epochs, or what is left of them; its weights and its losses."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8), keras.layers.Dense(2, activation="softmax")])
    phases.compile_classifier(model, 1e-2, 0.0)
    rows = tf.data.Dataset.from_tensor_slices((INPUTS, TARGETS))

    def score() -> tuple[float, float]:
        loss = -np.log(np.sum(model(INPUTS).numpy() * TARGETS, axis=1) + 1e-9).mean()
        return float(loss), 0.5

    phase = phases.Phase(
        name="toy",
        model=model,
        batches=lambda first, last: rows.batch(10).repeat(last - first),
        steps_per_epoch=4,
        score_train=score,
        score_stop=score if stops else None,
        epochs=epochs,
        patience=10,
        seed=3,
    )
    history = phases.run(phase, folder, str(log_dir))
    return [variable.numpy() for variable in model.variables], [row["stop_loss"] for row in history["epochs"]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    return trained(root / "checkpoints", root)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """What a training leaves that was killed after its second epoch."""
    root = tmp_path_factory.mktemp("stopped")
    trained(root / "checkpoints", root, epochs=2)
    return root / "checkpoints"


def test_without_images_to_stop_by_all_epochs_are_trained_and_the_last_one_counts(whole, tmp_path):
    weights, losses = trained(tmp_path / "a", tmp_path, stops=False)
    assert losses == [None] * EPOCHS
    # One that was killed goes on to the same weights.
    trained(tmp_path / "b", tmp_path, epochs=2, stops=False)
    again, _ = trained(tmp_path / "b", tmp_path, stops=False)
    for one, other, stopped_by_loss in zip(weights, again, whole[0], strict=True):
        np.testing.assert_array_equal(one, other)
        # The loss of this toy falls in every epoch.
        np.testing.assert_array_equal(one, stopped_by_loss)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["epoch-00002.npz", "best.npz", "progress.json"])
def test_a_training_whose_checkpoint_is_damaged_ends_with_the_same_weights(
    whole, stopped, tmp_path, caplog, name, damage
):
    folder = shutil.copytree(stopped, tmp_path / "checkpoints")
    damage(folder / name)
    with caplog.at_level(logging.WARNING):
        weights, losses = trained(folder, tmp_path)
    assert losses == whole[1] and len(losses) == EPOCHS
    for mine, theirs in zip(weights, whole[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    if (name, damage) != ("progress.json", lose):  # Nothing vouches for the others then, as if nothing were there.
        (said,) = [text for text in caplog.messages if "counts as absent" in text]
        assert str(folder / name) in said and "trained again from its beginning" in said


def test_a_whole_checkpoint_is_gone_on_from(whole, stopped, tmp_path, caplog):
    folder = shutil.copytree(stopped, tmp_path / "checkpoints")
    with caplog.at_level(logging.WARNING):
        assert trained(folder, tmp_path)[1] == whole[1]
    assert [text for text in caplog.messages if "absent" in text] == []


def test_a_damaged_checkpoint_leaves_the_model_as_it_was(stopped, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "checkpoints")
    flip(folder / "epoch-00002.npz")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8), keras.layers.Dense(2, activation="softmax")])
    phases.compile_classifier(model, 1e-2, 0.0)
    model.optimizer.build(model.trainable_variables)
    before = [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]
    assert PhaseCheckpoint(folder, model).restore() == Progress()
    for old, new in zip(before, (*model.variables, *model.optimizer.variables), strict=True):
        np.testing.assert_array_equal(old, new.numpy())


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["values.bin", "labels.bin", "done.json"])
def test_damaged_features_are_computed_again(tmp_path, caplog, name, damage):
    batches = [(tf.random.stateless_uniform([5, 3], [1, 2]), tf.constant([0, 1, 2, 1, 0], tf.int64))]
    first = embedded(tmp_path, lambda pixels: pixels, batches, 3)
    values, labels = np.array(first.values), np.array(first.labels)
    damage(tmp_path / name)
    with caplog.at_level(logging.WARNING):
        again = embedded(tmp_path, lambda pixels: pixels, batches, 3)
    np.testing.assert_array_equal(again.values, values)
    np.testing.assert_array_equal(again.labels, labels)
    if (name, damage) != ("done.json", lose):
        (said,) = [text for text in caplog.messages if "count as absent" in text]
        assert str(tmp_path) in said and "computed again" in said


@pytest.mark.parametrize("damage", [cut, empty, flip, fold])
def test_a_damaged_pretrained_backbone_is_no_backbone(tmp_path, caplog, damage):
    cached = tmp_path / "cache" / "pretrained-1.weights.h5"
    assert not pretrain.is_whole(cached)
    pretrain.keep(keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]), cached)
    assert pretrain.is_whole(cached) and caplog.messages == []
    damage(cached)
    assert not pretrain.is_whole(cached)
    (said,) = caplog.messages
    assert str(cached) in said and "pretrained again" in said
    damage(pretrain._digest_file(cached))
    pretrain.keep(keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]), cached)
    assert pretrain.is_whole(cached)
