import functools

import keras
import pytest

from components.backbone.modes import fingerprint
from components.diagnosis.head import look
from tests.diagnosis.models import KINDS, SIZE, Subclassed, functional, sequential

pytestmark = pytest.mark.tfx


@pytest.fixture(autouse=True)
def same_weights():
    keras.utils.set_random_seed(0)


SPARSE = keras.losses.SparseCategoricalCrossentropy


def compiled(activation: str | None, units: int, loss: object) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation=activation)])
    model.compile(loss=loss)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_softmax_is_seen_in_every_kind_of_model(kind):
    found = look(KINDS[kind](), 3)
    assert (found.kind, found.units, found.activation, found.loss, found.problems) == (
        "softmax",
        3,
        "softmax",
        None,
        (),
    )


@pytest.mark.parametrize(
    ("activation", "units", "kind"),
    [
        ("softmax", 3, "softmax"),
        (None, 3, "logits"),
        ("log_softmax", 3, "logits"),
        ("sigmoid", 1, "sigmoid"),
        (None, 1, "binary_logit"),
        ("sigmoid", 3, "multilabel_sigmoid"),
        ("relu", 3, "unknown"),
        ("tanh", 3, "unknown"),
        ("softsign", 3, "unknown"),
    ],
)
def test_kinds(activation, units, kind):
    assert look(functional(activation, units)).kind == kind


def test_one_linear_unit_that_learnt_the_label_itself_is_no_logit():
    assert look(compiled(None, 1, "mse")).kind == "unknown"
    assert look(compiled(None, 1, "binary_crossentropy")).kind == "unknown"
    assert look(compiled(None, 1, keras.losses.BinaryCrossentropy(from_logits=True))).kind == "binary_logit"


@pytest.mark.parametrize(
    ("activation", "units", "loss", "clause"),
    [
        ("softmax", 1, "binary_crossentropy", "softmax over 1 unit is 1 whatever the input"),
        ("softmax", 3, "bce", "binary_crossentropy judges each of 3 softmax outputs by itself"),
        ("softmax", 3, SPARSE(from_logits=True), "takes the softmax output for logits"),
        ("sigmoid", 1, keras.losses.BinaryCrossentropy(from_logits=True), "takes the sigmoid output for logits"),
        (None, 3, SPARSE(), "takes the linear output for probabilities"),
        (None, 3, "categorical_crossentropy", "takes the linear output for probabilities"),
        ("log_softmax", 3, SPARSE(), "takes the log_softmax output for probabilities"),
        ("sigmoid", 3, "categorical_crossentropy", "3 sigmoids do not"),
        ("sigmoid", 1, "categorical_crossentropy", "of 1 unit has nothing to choose between"),
        ("relu", 3, "sparse_categorical_crossentropy", "relu on the output cannot fall below 0"),
        ("softmax", 5, SPARSE(), "5 outputs are given for 3 classes"),
    ],
)
def test_each_mismatch_is_named(activation, units, loss, clause):
    [problem] = look(compiled(activation, units, loss), 2 if units == 1 else 3).problems
    assert clause in problem


@pytest.mark.parametrize(
    ("activation", "units", "loss"),
    [
        ("softmax", 3, "sparse_categorical_crossentropy"),
        ("softmax", 3, "CategoricalCrossentropy"),
        ("softmax", 3, keras.losses.CategoricalFocalCrossentropy()),
        (None, 3, SPARSE(from_logits=True)),
        (None, 3, functools.partial(keras.losses.sparse_categorical_crossentropy, from_logits=True)),
        ("sigmoid", 1, "binary_crossentropy"),
        (None, 1, keras.losses.BinaryCrossentropy(from_logits=True)),
        ("sigmoid", 3, "binary_crossentropy"),
        (None, 3, keras.losses.CategoricalHinge()),
        (None, 3, lambda labels, answers: answers),
        ("softmax", 3, None),
    ],
)
def test_a_pair_that_fits_has_no_problem(activation, units, loss):
    assert look(compiled(activation, units, loss), 2 if units == 1 else 3).problems == ()


class OfTheirOwn(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return y_pred


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("bce", "binary_crossentropy"),
        ("BinaryCrossentropy", "binary_crossentropy"),
        (SPARSE(name="mine"), "sparse_categorical_crossentropy"),
        (SPARSE(from_logits=True), "sparse_categorical_crossentropy(from_logits=True)"),
        (keras.losses.mean_squared_error, "mean_squared_error"),
        (OfTheirOwn(name="mine"), "mine"),
        ([SPARSE()], "sparse_categorical_crossentropy"),
    ],
)
def test_a_loss_is_named_however_it_was_given(loss, name):
    assert look(compiled("softmax", 3, loss)).loss == name


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", SPARSE(from_logits=True)])
def test_a_saved_model_tells_the_same(tmp_path, loss):
    model = sequential()
    model.compile(loss=loss)
    model.save(tmp_path / "model.keras")
    assert look(keras.saving.load_model(tmp_path / "model.keras"), 3) == look(model, 3)


def test_the_activation_inside_a_saved_model_folder_is_seen(tmp_path):
    functional("sigmoid", 1).export(tmp_path / "exported", verbose=False)
    layer = keras.layers.TFSMLayer(str(tmp_path / "exported"), call_endpoint="serving_default")
    inputs = keras.Input((SIZE, SIZE, 3))
    answer = layer(inputs)
    found = look(keras.Model(inputs, next(iter(answer.values())) if isinstance(answer, dict) else answer))
    assert (found.kind, found.units) == ("sigmoid", 1)


def test_half_precision_and_an_average_over_places_do_not_hide_the_activation():
    inputs = keras.Input((SIZE, SIZE, 3))
    places = keras.layers.Conv2D(3, 1, activation="softmax", dtype="mixed_float16")(inputs)
    assert look(keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(places))).kind == "softmax"


def test_what_cannot_be_read_is_unknown():
    inputs = keras.Input((4,))
    last = keras.layers.Dense(2)(inputs)
    assert look(keras.Model(inputs, [last, last])).kind == "unknown"
    assert look(keras.Model([inputs, keras.Input((2,))], last)).kind == "unknown"
    assert look(keras.Model(inputs, inputs)).kind == "unknown"
    assert look(Subclassed()).units is None
    assert look(keras.Sequential([keras.layers.Dense(2)])).units is None


class Counting(keras.layers.Layer):
    """Counts how often it is run, in a variable that only running can change."""

    def build(self, input_shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, inputs):
        self.count.assign_add(1.0)
        return inputs


def test_looking_changes_nothing_and_runs_nothing():
    model = keras.Sequential([keras.Input((4,)), Counting(), keras.layers.Dense(2)])
    before = fingerprint(model.variables)
    look(model)
    assert fingerprint(model.variables) == before
