"""Old Keras' BatchNormalization, rebuilt: frozen, and on the batch all the same."""

import keras
import numpy as np
import pytest

from components.cases.old_keras import BatchStatistics, with_old_batch_norm

pytestmark = pytest.mark.tfx


@pytest.fixture
def backbone() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.BatchNormalization(name="bn")(keras.layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(outputs), name="net")


def batch() -> np.ndarray:
    return np.random.default_rng(0).normal(5, 3, (16, 8, 8, 3)).astype(np.float32)


def test_a_frozen_layer_normalises_with_the_batch_while_training_and_nothing_moves(backbone):
    old = with_old_batch_norm(backbone)
    before = old.get_weights()
    training = np.asarray(old(batch(), training=True))
    # The batch's own mean is removed, so every channel's mean over the batch is zero.
    np.testing.assert_allclose(training.mean(axis=0), 0, atol=1e-4)
    for now, then in zip(old.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_in_inference_mode_it_is_what_it_was_copied_from(backbone):
    old = with_old_batch_norm(backbone)
    np.testing.assert_array_equal(old(batch(), training=False), backbone(batch(), training=False))


def test_a_trainable_layer_is_todays(backbone):
    old = with_old_batch_norm(backbone)
    old.trainable = True
    np.testing.assert_allclose(old(batch(), training=True), backbone(batch(), training=True), rtol=1e-5)
    assert old.get_layer("bn").moving_mean.numpy().any()


def test_it_is_saved_and_loaded_in_safe_mode(backbone, tmp_path):
    old = with_old_batch_norm(backbone)
    old.save(tmp_path / "old.keras")
    loaded = keras.saving.load_model(tmp_path / "old.keras", safe_mode=True)
    assert isinstance(loaded.get_layer("bn"), BatchStatistics)
    np.testing.assert_array_equal(loaded(batch(), training=True), old(batch(), training=True))
