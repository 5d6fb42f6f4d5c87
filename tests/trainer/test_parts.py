import keras
import numpy as np
import pytest
import tensorflow as tf

from components.backbone import freezing
from components.backbone.kinds import KINDS
from components.backbone.layers import flatten
from components.preprocessing import CAFFE, FAMILIES, NONE, Family
from components.trainer import feature_batches, hardware
from components.trainer.augment import augmentation
from components.trainer.classifier import assemble, build_head
from components.trainer.export import in_float32
from components.trainer.feature_cache import Features, embedded
from components.trainer.settings import AugmentSettings, HeadSettings
from components.trainer.targets import Targets

pytestmark = pytest.mark.tfx


@pytest.fixture
def rows() -> Features:
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    return Features(values, np.arange(10, dtype=np.int32) % 3)


def batches_of(rows: Features, first: int, last: int, seed: int = 1) -> list[np.ndarray]:
    targets = Targets(rows.labels, 3, "none")
    return [values.numpy() for values, _, _ in feature_batches.epochs(rows, targets, 4, first, last, seed)]


def test_every_epoch_sees_every_row_once_the_last_smaller_batch_too(rows):
    one = batches_of(rows, 0, 1)
    assert [len(batch) for batch in one] == [4, 4, 2]
    assert sorted(np.concatenate(one)[:, 0]) == sorted(rows.values[:, 0])


def test_an_epoch_does_not_depend_on_where_training_started(rows):
    np.testing.assert_array_equal(np.concatenate(batches_of(rows, 0, 3)[6:]), np.concatenate(batches_of(rows, 2, 3)))


def test_epochs_and_seeds_differ_in_order(rows):
    assert not np.array_equal(np.concatenate(batches_of(rows, 0, 1)), np.concatenate(batches_of(rows, 1, 2)))
    assert not np.array_equal(np.concatenate(batches_of(rows, 0, 1)), np.concatenate(batches_of(rows, 0, 1, seed=2)))


def test_balanced_weights_give_every_class_the_same_total():
    labels = np.array([0] * 90 + [1] * 9 + [2], np.int32)
    one_hot, weights = Targets(labels, 3, "balanced")(tf.constant(labels))
    np.testing.assert_allclose(tf.reduce_sum(one_hot * weights[:, None], axis=0), [100 / 3] * 3, rtol=1e-5)


def test_a_wrong_and_certain_answer_costs_much_but_not_infinitely():
    loss, right = feature_batches.cross_entropy_and_hits(np.array([[1.0, 0.0]], np.float32), np.array([1]))
    assert 80 < loss < 100 and right == 0


def test_a_label_that_is_no_class_is_not_trained_on(tmp_path):
    batches = [(tf.zeros([2, 3]), tf.constant([0, -1], tf.int64))]
    with pytest.raises(ValueError, match="must be one of the classes"):
        embedded(tmp_path / "features", lambda pixels: pixels, batches, 3)
    assert not (tmp_path / "features" / "done.json").exists()


def test_half_written_features_are_computed_again(tmp_path):
    batches = [(tf.ones([2, 3]), tf.constant([0, 1], tf.int64)), (tf.zeros([1, 3]), tf.constant([1], tf.int64))]
    embedded(tmp_path, lambda pixels: pixels, batches, 3)
    (tmp_path / "values.bin").write_bytes(b"cut")
    (tmp_path / "done.json").unlink()
    again = embedded(tmp_path, lambda pixels: pixels, batches, 3)
    assert again.values.tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]] and again.labels.tolist() == [0, 1, 1]


def test_complete_features_are_not_computed_again(tmp_path):
    embedded(tmp_path, lambda pixels: pixels, [(tf.ones([2, 3]), tf.constant([0, 1], tf.int64))], 3)
    assert len(embedded(tmp_path, lambda pixels: pixels, iter(()), 3)) == 2


def test_nothing_asked_for_is_no_augmentation():
    assert augmentation(AugmentSettings(), CAFFE) is None


def test_the_same_seed_gives_the_same_augmentation_and_another_does_not():
    augment = augmentation(AugmentSettings(flip=True, crop=0.3, colour=0.3), CAFFE)
    assert augment is not None
    pixels = tf.random.stateless_uniform([8, 32, 32, 3], [1, 2], -120, 150)
    first = augment(pixels, tf.constant([3, 4]))
    assert first.shape == pixels.shape
    np.testing.assert_array_equal(first, augment(pixels, tf.constant([3, 4])))
    assert not np.allclose(first, augment(pixels, tf.constant([3, 5])))


def test_a_flip_mirrors_some_pictures_and_no_others():
    augment = augmentation(AugmentSettings(flip=True), CAFFE)
    assert augment is not None
    pixels = tf.random.stateless_uniform([64, 8, 8, 3], [1, 2])
    out = augment(pixels, tf.constant([0, 1])).numpy()
    kept = (out == pixels.numpy()).all(axis=(1, 2, 3))
    mirrored = (out == pixels.numpy()[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (kept | mirrored).all() and 10 < mirrored.sum() < 54


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_a_picture_is_changed_alike_however_its_pixels_are_scaled(family):
    pictures = tf.random.stateless_uniform([8, 16, 16, 3], [1, 2], 0, 255)

    def changed(scaled_as: Family) -> np.ndarray:
        augment = augmentation(AugmentSettings(flip=True, crop=0.3, colour=0.3), scaled_as)
        assert augment is not None
        return scaled_as.undo(augment(scaled_as.apply(pictures), tf.constant([3, 4]))).numpy()

    np.testing.assert_allclose(changed(family), changed(NONE), atol=0.01)


def test_a_machine_without_gpu_trains_in_float32_on_one_device():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    assert hardware.precision_policy("auto") == "float32"
    assert hardware.precision_policy("on") == "mixed_bfloat16"
    assert hardware.strategy().num_replicas_in_sync == 1


def with_one_trained_block(kind):
    backbone = kind.build(32)
    freezing.freeze(backbone)
    freezing.unfreeze_top(backbone, 1)
    head = build_head(HeadSettings(hidden_units=8), kind.embedding_size, 5)
    return assemble(backbone, head, frozen_batch_norm=True)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name in ("resnet50_v2", "efficientnet_v2_b0") else ())
        for name in KINDS
    ],
)
def test_a_model_trained_in_mixed_precision_is_exported_in_float32_with_its_flags(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        trained = with_one_trained_block(KINDS[name])
    finally:
        keras.config.set_dtype_policy("float32")
    exported, whole = in_float32(trained), with_one_trained_block(KINDS[name])
    assert {layer.dtype_policy.name for layer in flatten(exported)} == {"float32"}
    assert len(exported.trainable_weights) == len(trained.trainable_weights) == len(whole.trainable_weights)
    assert name != "resnet50" or len(exported.trainable_weights) == 10
    pixels = np.random.default_rng(0).normal(0, 60, (8, 32, 32, 3)).astype(np.float32)
    whole.set_weights(trained.get_weights())
    np.testing.assert_array_equal(exported(pixels), whole(pixels))
    assert freezing.mode_difference(exported, pixels) == 0
