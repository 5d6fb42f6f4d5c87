"""Measurement A on real Keras models."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from components.backbone.modes import fingerprint
from components.push_gate.scores import predictions
from components.push_gate.training_mode import load_keras, training_mode_predictions

pytestmark = pytest.mark.tfx

RANDOM = np.random.default_rng(5)
PIXELS = RANDOM.normal(2.0, 3.0, size=(70, 4, 4, 3)).astype(np.float32)


def net(*extra: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            *extra,
            keras.layers.Flatten(),
            keras.layers.Dense(16),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.ReLU(),
            keras.layers.Dense(5, activation="softmax"),
        ]
    )


def in_training_mode(model: keras.Model, batch_size: int = 32, seed: int = 0) -> np.ndarray:
    return training_mode_predictions(model, lambda rows: PIXELS[rows], len(PIXELS), batch_size, seed)


def in_inference_mode(model: keras.Model) -> np.ndarray:
    return predictions(np.asarray(model(PIXELS, training=False)))


def test_every_variable_is_as_before() -> None:
    model = net(keras.layers.GaussianNoise(0.5), keras.layers.Dropout(0.5))
    before = fingerprint(model.variables)
    in_training_mode(model)
    assert fingerprint(model.variables) == before


def test_every_variable_is_as_before_even_when_measuring_fails() -> None:
    model = net()
    before = fingerprint(model.variables)
    calls: list[int] = []

    def read_pixels(rows: np.ndarray) -> np.ndarray:
        calls.append(len(rows))
        if len(calls) == 2:
            raise OSError("disk")
        return PIXELS[rows]

    with pytest.raises(OSError, match="disk"):
        training_mode_predictions(model, read_pixels, len(PIXELS), 32, 0)
    assert fingerprint(model.variables) == before


def test_the_hash_sees_a_moving_statistic() -> None:
    model = net()
    before = fingerprint(model.variables)
    model(PIXELS, training=True)
    assert fingerprint(model.variables) != before


def test_batch_statistics_are_used_where_the_trainer_left_them_free() -> None:
    model = net()
    assert (in_training_mode(model) != in_inference_mode(model)).any()


def test_a_frozen_batch_norm_behaves_as_in_serving() -> None:
    model = net()
    model.get_layer("norm").trainable = False
    np.testing.assert_array_equal(in_training_mode(model), in_inference_mode(model))


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.Dropout(0.9),
        lambda: keras.layers.SpatialDropout2D(0.9),
        lambda: keras.layers.GaussianNoise(1.0),
        lambda: keras.layers.GaussianDropout(0.9),
        lambda: keras.layers.RandomTranslation(0.9, 0.9),
        lambda: keras.layers.RandomContrast(0.9),
        lambda: keras.Sequential([keras.Input((4, 4, 3)), keras.Sequential([keras.layers.Dropout(0.9)])]),
    ],
)
def test_nothing_random_happens(layer: Callable[[], keras.layers.Layer]) -> None:
    np.testing.assert_array_equal(in_training_mode(net(layer())), in_training_mode(net()))


def test_random_layers_are_random_again_afterwards() -> None:
    model = net(keras.layers.Dropout(0.9))
    in_training_mode(model)
    first, second = np.asarray(model(PIXELS, training=True)), np.asarray(model(PIXELS, training=True))
    assert (first != second).any()


def test_the_last_batch_is_as_large_as_the_others_and_every_example_counts_once() -> None:
    sizes: list[int] = []

    def read_pixels(rows: np.ndarray) -> np.ndarray:
        sizes.append(len(rows))
        return PIXELS[rows]

    result = training_mode_predictions(net(), read_pixels, 65, 32, 0)
    assert sizes == [32, 32, 32]
    assert result.shape == (65,) and (result >= 0).all() and (result < 5).all()


def test_fewer_examples_than_a_batch_still_fill_one() -> None:
    sizes: list[int] = []

    def read_pixels(rows: np.ndarray) -> np.ndarray:
        sizes.append(len(rows))
        return PIXELS[rows]

    training_mode_predictions(net(), read_pixels, 5, 32, 0)
    assert sizes == [32]


def test_examples_come_in_a_seeded_order_that_is_not_theirs() -> None:
    seen: list[int] = []

    def read_pixels(rows: np.ndarray) -> np.ndarray:
        seen.extend(rows.tolist())
        return PIXELS[rows]

    training_mode_predictions(net(), read_pixels, 64, 32, 9)
    first = list(seen)
    seen.clear()
    training_mode_predictions(net(), read_pixels, 64, 32, 9)
    assert first == seen and sorted(first) == list(range(64)) and first != sorted(first)


def test_an_output_that_is_not_finite_is_no_class() -> None:
    model = net()
    model.layers[-1].kernel.assign(model.layers[-1].kernel * np.nan)
    assert (in_training_mode(model) == -1).all()


def test_a_missing_keras_file_is_none_and_a_lambda_is_refused(tmp_path: Path) -> None:
    assert load_keras(str(tmp_path / "model.keras")) is None
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)]).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"unsafe|safe_mode|Lambda"):
        load_keras(str(tmp_path / "model.keras"))
