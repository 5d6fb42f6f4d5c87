"""The callback warns where the modes part, is quiet where they do not, and changes nothing."""

import warnings

import keras
import numpy as np
import pytest

import frostgate
from components.errors import DataRefused
from tests.doctor import faults

pytestmark = pytest.mark.tfx


def trained(norm, epochs: int, batch_size: int, scale: float = 1 / 255, callbacks=()) -> tuple[keras.Model, dict]:
    keras.utils.set_random_seed(0)
    train, _ = faults.digits()
    model = faults.convnet(norm=norm, scale=scale)
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    done = model.fit(*train, epochs=epochs, batch_size=batch_size, verbose=0, callbacks=list(callbacks))
    return model, done.history


def test_it_warns_while_moving_statistics_have_not_converged():
    callback = frostgate.FrostgateCallback(faults.digits()[0], batch_size=96)
    with pytest.warns(UserWarning, match=r"epoch 2: of 512 training examples .* in training mode and .* in inference"):
        _, history = trained(
            lambda: keras.layers.BatchNormalization(momentum=0.99), 2, 96, scale=1.0, callbacks=[callback]
        )
    assert len(history["mode_gap"]) == 2 and history["mode_gap"][-1] > 0.2


def test_it_is_quiet_on_a_healthy_model_and_leaves_training_as_it_was():
    callback = frostgate.FrostgateCallback(faults.digits()[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watched, history = trained(None, 3, 32, callbacks=[callback])
    alone, _ = trained(None, 3, 32)
    assert history["mode_gap"] == [0.0, 0.0, 0.0]
    for mine, theirs in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_examples_that_cannot_be_are_refused_before_training():
    with pytest.raises(DataRefused, match="y must be"):
        frostgate.FrostgateCallback((np.zeros((4, 8, 8, 3)), np.zeros(3)))
