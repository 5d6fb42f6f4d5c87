import keras
import numpy as np
import pytest
import tensorflow as tf

from components.backbone.modes import fingerprint
from components.diagnosis.batch_norm import batch_norm_layers, batch_statistics_forced, reestimated
from components.diagnosis.forward import forward
from tests.diagnosis.models import KINDS, SIZE, functional, group_norm, nested, pictures, without_normalisation

pytestmark = pytest.mark.tfx


@pytest.fixture(autouse=True)
def same_weights():
    keras.utils.set_random_seed(0)


HAVE_NORM = [kind for kind in KINDS if kind not in ("group_norm", "without_normalisation")]


def inputs_for(kind: str, number: int = 24) -> np.ndarray:
    return pictures(number, size=32 if kind == "mobile_net" else SIZE)


def single(layer: keras.layers.Layer, shape: tuple[int, ...] = (3,)) -> keras.Model:
    """One BatchNorm layer and nothing before it, so that its statistics are those of the inputs."""
    inputs = keras.Input(shape)
    return keras.Model(inputs, keras.layers.Flatten()(layer(inputs)))


class Frozen2019(keras.layers.BatchNormalization):
    """Batch statistics whatever the flags say, and moving ones that stay."""

    def call(self, inputs, training=None, mask=None):
        if not training:
            return super().call(inputs, training=False)
        mean, variance = keras.ops.moments(inputs, axes=[0])
        return keras.ops.batch_normalization(inputs, mean, variance, -1, self.beta, self.gamma, self.epsilon)


@pytest.mark.parametrize(
    ("kind", "number"),
    [("functional", 1), ("sequential", 1), ("subclassed", 1), ("nested", 1), ("group_norm", 0)],
)
def test_batch_norm_is_found_at_any_depth(kind, number):
    assert len(batch_norm_layers(KINDS[kind]())) == number


def test_a_subclass_of_batch_norm_counts_and_a_shared_layer_counts_once():
    norm = Frozen2019()
    inputs = keras.Input((3,))
    assert batch_norm_layers(keras.Model(inputs, norm(norm(inputs)))) == [norm]


def test_an_unbuilt_layer_is_left_out():
    model = functional()
    model.spare = keras.layers.BatchNormalization()
    assert [layer.name for layer in batch_norm_layers(model)] == ["norm"]


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_as_before_afterwards(kind):
    model, inputs = KINDS[kind](), inputs_for(kind)
    before, flags = fingerprint(model.variables), [layer.trainable for layer in model._flatten_layers()]
    outputs = forward(model, inputs).raw
    with reestimated(model, inputs, batch_size=8):
        pass
    with batch_statistics_forced(model):
        model(inputs, training=True)
    assert fingerprint(model.variables) == before
    assert [layer.trainable for layer in model._flatten_layers()] == flags
    assert not any("call" in vars(layer) for layer in model._flatten_layers())
    np.testing.assert_array_equal(forward(model, inputs).raw, outputs)


def test_everything_is_as_before_after_an_error_inside():
    model, inputs = nested(), pictures()
    before = fingerprint(model.variables)
    with pytest.raises(KeyError), reestimated(model, inputs, 8), batch_statistics_forced(model):
        model(inputs, training=True)
        raise KeyError
    assert fingerprint(model.variables) == before
    assert not any("call" in vars(layer) for layer in model._flatten_layers())


@pytest.mark.parametrize("kind", HAVE_NORM)
def test_with_reestimated_statistics_inference_is_near_forced_batch_statistics(kind):
    model, inputs = KINDS[kind](), inputs_for(kind, 64)
    with batch_statistics_forced(model):
        forced = forward(model, inputs, training=True, batch_size=64).raw
    with reestimated(model, inputs, batch_size=64) as distances:
        again = forward(model, inputs).raw
    np.testing.assert_allclose(again, forced, atol=2e-3)
    assert len(distances) == len(batch_norm_layers(model))


def test_statistics_are_exactly_those_of_the_data_over_several_batches():
    rng = np.random.default_rng(0)
    # Two halves with other means: the mean of batch variances alone would miss what lies between them.
    inputs = np.concatenate([rng.normal(-4, 1, (32, 3)), rng.normal(4, 1, (32, 3))]).astype(np.float32)
    layer = keras.layers.BatchNormalization(epsilon=1e-6)
    model = single(layer)
    with reestimated(model, inputs, batch_size=4) as distances:
        np.testing.assert_allclose(layer.moving_mean.numpy(), inputs.mean(0), atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance.numpy(), inputs.var(0), rtol=1e-5)
    [distance] = distances
    assert distance.mean_distance == pytest.approx(np.mean(np.abs(inputs.mean(0)) / inputs.std(0)), rel=1e-4)
    assert distance.log_variance_ratio == pytest.approx(np.mean(np.log(inputs.var(0))), rel=1e-4)


def test_distance_names_the_layer_and_its_flags():
    model = functional(frozen=True)
    with reestimated(model, pictures(), 8) as [distance]:
        pass
    assert (distance.name, distance.trainable, distance.momentum) == ("norm", False, 0.99)
    assert distance.mean_distance > 0.1


def test_distance_is_nothing_where_the_moving_statistics_are_right():
    inputs, layer = pictures(64), keras.layers.BatchNormalization()
    model = single(layer, (SIZE, SIZE, 3))
    layer.moving_mean.assign(inputs.mean((0, 1, 2)))
    layer.moving_variance.assign(inputs.var((0, 1, 2)))
    with reestimated(model, inputs, 16) as [distance]:
        pass
    assert max(distance.mean_distance, distance.log_variance_ratio) < 1e-4


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.BatchNormalization(axis=1),
        keras.layers.BatchNormalization(synchronized=True),
        keras.layers.BatchNormalization(scale=False, center=False),
        keras.layers.BatchNormalization(renorm=True),
        Frozen2019(trainable=False),
        keras.layers.BatchNormalization(dtype="mixed_float16"),
    ],
    ids=["axis 1", "synchronised", "without weights", "renorm", "subclass", "half precision"],
)
def test_every_sort_of_batch_norm_is_measured(layer):
    inputs = np.random.default_rng(1).normal(3, 2, (32, 3)).astype(np.float32)
    with reestimated(single(layer), inputs, 8) as [distance]:
        np.testing.assert_allclose(layer.moving_mean.numpy(), inputs.mean(0), rtol=1e-2)
        np.testing.assert_allclose(layer.moving_variance.numpy(), inputs.var(0), rtol=1e-2)
    assert distance.mean_distance > 1


def test_masked_places_do_not_count():
    inputs = keras.Input((2, 3))
    layer = keras.layers.BatchNormalization()
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(layer(keras.layers.Masking(9.0)(inputs))))
    given = pictures(16, 1).reshape(8, 2, 3)
    given[:, 1] = 9.0
    with reestimated(model, given, 8):
        np.testing.assert_allclose(layer.moving_mean.numpy(), given[:, 0].mean(0), rtol=1e-4)


def test_frozen_layers_use_the_batch_only_while_forced():
    model, inputs = functional(frozen=True), pictures(16)
    frozen = forward(model, inputs, training=True, batch_size=16).raw
    with batch_statistics_forced(model):
        forced = forward(model, inputs, training=True, batch_size=16).raw
        in_inference = forward(model, inputs, batch_size=16).raw
    np.testing.assert_allclose(frozen, forward(model, inputs).raw, atol=1e-5)
    assert np.abs(forced - frozen).max() > 1e-2
    np.testing.assert_allclose(forced, in_inference, atol=1e-5)


def test_a_backbone_called_in_inference_mode_is_forced_as_well():
    model, inputs = nested(), pictures(16)
    plain = forward(model, inputs, training=True).raw
    with batch_statistics_forced(model):
        forced = forward(model, inputs, training=True).raw
    assert np.abs(forced - plain).max() > 1e-2


def test_forcing_does_not_unfreeze_a_weight():
    model = functional(frozen=True)
    with batch_statistics_forced(model):
        model(pictures(4))
        assert not model.get_layer("norm").gamma.trainable


def test_measuring_follows_the_layers_before_with_batch_statistics_too():
    first, second = keras.layers.BatchNormalization(trainable=False), keras.layers.BatchNormalization()
    inputs = keras.Input((3,))
    model = keras.Model(inputs, second(first(inputs)))
    with reestimated(model, pictures(32, 1).reshape(32, 3), 32) as distances:
        pass
    assert distances[0].mean_distance > 1
    # The first layer's output has mean 0 and variance 1, as the second layer's fresh statistics say.
    assert max(distances[1].mean_distance, distances[1].log_variance_ratio) < 0.01


def test_dropout_before_batch_norm_does_not_change_what_is_measured():
    layer, inputs = keras.layers.BatchNormalization(), keras.Input((3,))
    model = keras.Model(inputs, layer(keras.layers.Dropout(0.9)(inputs)))
    given = pictures(32, 1).reshape(32, 3)
    with reestimated(model, given, 32):
        np.testing.assert_allclose(layer.moving_variance.numpy(), given.var(0), rtol=1e-4)


def test_only_so_many_examples_are_run():
    layer, given = keras.layers.BatchNormalization(), np.arange(40, dtype=np.float32)[:, None]
    with reestimated(single(layer, (1,)), given, 8, num_examples=8, seed=3):
        few = np.random.default_rng(3).permutation(40)[:8]
        np.testing.assert_allclose(layer.moving_mean.numpy(), given[few].mean(0), rtol=1e-5)


def test_fewer_examples_than_a_batch_count_once_each():
    layer, given = keras.layers.BatchNormalization(), np.array([[0.0], [3.0], [9.0]], np.float32)
    with reestimated(single(layer, (1,)), given, batch_size=32):
        np.testing.assert_allclose(layer.moving_mean.numpy(), [4.0], rtol=1e-6)


@pytest.mark.parametrize("build", [group_norm, without_normalisation])
def test_a_model_without_batch_norm_has_no_distances(build):
    with reestimated(build(), pictures(8), 4) as distances:
        assert distances == []


def test_a_layer_that_does_not_run_keeps_its_statistics():
    model = functional()
    model.spare = keras.layers.BatchNormalization(name="spare")
    model.spare.build((None, 2))
    with reestimated(model, pictures(), 8) as distances:
        assert tf.reduce_all(model.spare.moving_variance == 1)
    assert [distance.name for distance in distances] == ["norm"]


def test_distances_are_in_the_order_in_which_data_meet_the_layers():
    inner = keras.Sequential([keras.layers.BatchNormalization(name=name) for name in ("second", "third")])
    inputs = keras.Input((4,))
    middle = inner(keras.layers.BatchNormalization(name="first")(inputs))
    model = keras.Model(inputs, keras.layers.BatchNormalization(name="last")(middle))
    with reestimated(model, np.ones((8, 4), np.float32), batch_size=8) as layers:
        assert [layer.name for layer in layers] == ["first", "second", "third", "last"]
