from typing import Any

import keras
import numpy as np
import pytest

from components.backbone.modes import fingerprint
from components.diagnosis import forward as module
from components.diagnosis.evidence import Head
from components.diagnosis.forward import forward, probabilities
from components.errors import DataRefused
from tests.diagnosis.models import (
    KINDS,
    SIZE,
    functional,
    group_norm,
    mobile_net,
    pictures,
    sequential,
    subclassed,
    without_normalisation,
)

pytestmark = pytest.mark.tfx


@pytest.fixture(autouse=True)
def same_weights():
    keras.utils.set_random_seed(0)


def floats(values: list[list[Any]]) -> np.ndarray:
    return np.array(values, np.float32)


def embedded(*given: Any, **options: Any) -> np.ndarray:
    found = forward(*given, **options).embeddings
    assert found is not None
    return found


def head(kind: str) -> Head:
    return Head(kind, None, None, None, ())


def random_norm(model: keras.Model) -> keras.Model:
    """Moving statistics that are neither fresh nor right."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-1, 1, layer.moving_mean.shape[0]))
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_inference_gives_what_predict_gives_in_the_same_order(kind):
    model = random_norm(KINDS[kind]())
    inputs = pictures(11, size=32 if kind == "mobile_net" else SIZE)
    outputs = forward(model, inputs, batch_size=4)
    np.testing.assert_allclose(outputs.raw, model.predict(inputs, verbose=0), rtol=1e-4, atol=1e-5)
    assert outputs.raw.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_training_mode_leaves_every_variable_and_every_method_as_they_were(kind):
    model = KINDS[kind]()
    before = fingerprint(model.variables)
    forward(model, pictures(11, size=32 if kind == "mobile_net" else SIZE), training=True, batch_size=4)
    assert fingerprint(model.variables) == before
    assert not any("call" in vars(layer) for layer in model._flatten_layers())


def test_training_mode_in_one_batch_is_the_model_on_that_batch_without_dropout():
    model, inputs = functional(), pictures(16)
    outputs = forward(model, inputs, training=True, batch_size=16)
    model.layers[-2].rate = 0.0
    np.testing.assert_allclose(outputs.raw, model(inputs, training=True), rtol=1e-4, atol=1e-5)


def test_training_mode_shuffles_batches_so_that_sorted_classes_are_mixed():
    inputs = np.sort(pictures(32), axis=0)
    model = functional()
    model.layers[-2].rate = 0.0
    shuffled = forward(model, inputs, training=True, batch_size=8).raw
    sorted_ = np.concatenate([np.asarray(model(inputs[at : at + 8], training=True)) for at in range(0, 32, 8)])
    assert np.abs(shuffled - sorted_).max() > 1e-2


def test_a_last_batch_of_one_is_filled_up():
    model, inputs = functional(), pictures(17)
    alone = np.asarray(keras.ops.softmax(model.layers[-1].bias))
    outputs = forward(model, inputs, training=True, batch_size=16).raw
    # A dense picture normalised by itself has the same mean as every other.
    assert np.abs(outputs - alone).max(axis=1).min() > 1e-4
    assert len(outputs) == 17


def test_fewer_examples_than_a_batch_weigh_the_same():
    model, inputs = functional(), pictures(3)
    few = forward(model, inputs, training=True, batch_size=32)
    np.testing.assert_allclose(few.raw, forward(model, inputs, training=True, batch_size=3).raw, rtol=1e-4, atol=1e-5)


def test_embeddings_are_what_the_last_dense_layer_is_given():
    model, inputs = functional(None), pictures(10)
    outputs = forward(model, inputs, batch_size=4)
    again = outputs.embeddings @ model.layers[-1].kernel.numpy() + model.layers[-1].bias.numpy()
    np.testing.assert_allclose(again, outputs.raw, rtol=1e-3, atol=1e-4)


def test_the_last_dense_layer_to_run_counts_not_the_last_to_be_made():
    assert embedded(subclassed(), pictures(4)).shape == (4, 6)
    assert embedded(sequential(), pictures(4)).shape == (4, 5)


def test_a_model_without_dense_layers_has_no_embeddings():
    assert forward(without_normalisation(), pictures(4)).embeddings is None
    assert forward(group_norm(), pictures(4), training=True).embeddings is None


def test_embeddings_of_mobile_net_are_its_pooled_features():
    assert embedded(mobile_net(), pictures(4, size=32)).shape == (4, 1280)


def test_a_dense_layer_on_a_feature_map_gives_averages_over_places():
    inputs = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(keras.layers.Dense(3)(inputs)))
    given = pictures(4)
    np.testing.assert_allclose(embedded(model, given), given.mean(axis=(1, 2)), rtol=1e-5)


def test_a_large_feature_map_is_drawn_from_in_the_same_places_every_time(monkeypatch):
    monkeypatch.setattr(module, "_MAX_FEATURES", 20)
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    given = pictures(6)
    found = embedded(model, given, batch_size=4)
    assert found.shape == (6, 20)
    assert all(column in given.reshape(6, -1).T.tolist() for column in found.T.tolist())


def test_a_dense_layer_that_does_not_see_one_row_an_example_gives_no_embeddings():
    inputs = keras.Input((4, 3))
    rows = keras.layers.Lambda(lambda x: keras.ops.reshape(x, (-1, 3)))(inputs)
    last = keras.layers.Lambda(lambda x: keras.ops.reshape(x, (-1, 8)))(keras.layers.Dense(2)(rows))
    outputs = forward(keras.Model(inputs, last), np.ones((5, 4, 3), np.float32))
    assert outputs.raw.shape == (5, 8)
    assert outputs.embeddings is None


def test_a_mixed_precision_model_answers_in_float32():
    layers = [keras.Input((4,)), keras.layers.Dense(3, dtype="mixed_float16")]
    outputs = forward(keras.Sequential(layers), np.ones((2, 4), np.float32))
    assert outputs.embeddings is not None
    assert outputs.raw.dtype == outputs.embeddings.dtype == np.float32


def test_a_map_of_one_place_is_a_row():
    inputs = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(5, SIZE)(inputs))
    assert forward(model, pictures(3)).raw.shape == (3, 5)


def test_two_outputs_and_maps_of_classes_are_refused():
    inputs = keras.Input((SIZE, SIZE, 3))
    last = keras.layers.Dense(2)(inputs)
    with pytest.raises(DataRefused, match="one output"):
        forward(keras.Model(inputs, last), pictures(2))
    pooled = keras.layers.GlobalAveragePooling2D()(last)
    with pytest.raises(DataRefused, match="one output"):
        forward(keras.Model(inputs, [pooled, pooled]), pictures(2))


def test_an_error_inside_the_model_leaves_no_cover_behind():
    model = functional()
    with pytest.raises(ValueError, match="shape"):
        forward(model, np.ones((4, 5, 5, 1), np.float32), training=True)
    assert not any("call" in vars(layer) for layer in model._flatten_layers())


def test_probabilities_of_every_kind_of_head_sum_to_one():
    np.testing.assert_allclose(probabilities(floats([[0.2, 0.8]]), head("softmax")), [[0.2, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(probabilities(floats([[0, np.log(3)]]), head("logits")), [[0.25, 0.75]], rtol=1e-6)
    np.testing.assert_allclose(probabilities(floats([[0.3]]), head("sigmoid")), [[0.7, 0.3]], rtol=1e-6)
    np.testing.assert_allclose(probabilities(floats([[-np.log(3)]]), head("binary_logit")), [[0.75, 0.25]], rtol=1e-6)
    assert probabilities(floats([[1.0]]), head("softmax")).tolist() == [[0.0, 1.0]]
    assert probabilities(floats([[1e4, 0]]), head("logits")).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("kind", ["softmax", "logits", "binary_logit", "sigmoid", "unknown"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so(kind, value):
    raw = floats([[value], [0.5]]) if kind in ("binary_logit", "sigmoid") else floats([[value, 0], [0.5, 0.5]])
    found = probabilities(raw, head(kind))
    assert found.dtype == np.float64
    assert not np.isfinite(found[0]).any()
    assert np.isfinite(found[1]).all()
