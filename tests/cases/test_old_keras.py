"""Old Keras' frozen BatchNormalization, rebuilt: nothing is trained, nothing moves, and the batch counts."""

import keras
import numpy as np
import pytest

from components.cases.old_keras import use_batch_statistics
from components.diagnosis.batch_norm import initial_statistics, reestimated

pytestmark = pytest.mark.tfx


@pytest.fixture
def backbone() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.BatchNormalization(name="bn")(keras.layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(outputs), name="net")


def batch() -> np.ndarray:
    return np.random.default_rng(0).normal(5, 3, (16, 8, 8, 3)).astype(np.float32)


def test_it_normalises_with_the_batch_while_training_and_nothing_moves(backbone):
    use_batch_statistics(backbone)
    before = backbone.get_weights()
    assert backbone.trainable_weights == []
    # The batch's own mean is removed, so every channel's mean over the batch is zero.
    np.testing.assert_allclose(np.asarray(backbone(batch(), training=True)).mean(axis=0), 0, atol=1e-4)
    for now, then in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_in_inference_mode_it_is_what_it_was(backbone):
    before = np.asarray(backbone(batch(), training=False))
    use_batch_statistics(backbone)
    np.testing.assert_array_equal(backbone(batch(), training=False), before)


def test_it_is_the_same_after_loading_without_any_class_of_ours(backbone, tmp_path):
    use_batch_statistics(backbone)
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.Dense(2)(backbone(inputs))).save(tmp_path / "old.keras")
    loaded = keras.saving.load_model(tmp_path / "old.keras", safe_mode=True).get_layer("net")
    np.testing.assert_array_equal(loaded(batch(), training=True), backbone(batch(), training=True))
    assert not np.allclose(loaded(batch(), training=True), loaded(batch(), training=False))


def test_the_diagnosis_takes_statistics_that_never_move_for_frozen(backbone):
    use_batch_statistics(backbone)
    assert initial_statistics(backbone, num_updates=100) is None
    with reestimated(backbone, batch(), batch_size=16) as layers:
        assert [layer.trainable for layer in layers] == [False]
