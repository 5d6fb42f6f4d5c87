"""Healthy models pass; every fault is blocked and named; the model is left as it was."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

import frostgate
from components.doctor.data import as_split
from components.doctor.examine import examine
from components.errors import DataRefused
from tests.doctor import faults

pytestmark = pytest.mark.tfx


def examined(case: faults.Case):
    return frostgate.diagnose(case.model, case.train, case.validation, case.batch_size)


@pytest.mark.parametrize("name", faults.HEALTHY)
def test_a_healthy_model_passes_and_is_left_as_it_was(name):
    case = faults.HEALTHY[name]()
    before = [value.numpy().copy() for value in case.model.variables]
    report = examined(case)
    assert report.decision.outcome == "PASS" and report.exit_code == 0, str(report)
    assert report.diagnosis.causes == ()
    for value, old in zip(case.model.variables, before, strict=True):
        np.testing.assert_array_equal(value.numpy(), old)


@pytest.mark.parametrize("name", faults.BROKEN)
def test_a_broken_model_is_refused_and_the_cause_is_named_first(name):
    report = examined(faults.BROKEN[name]())
    # Few training examples, as in a leak or in overfitting, leave the gap uncertain.
    refused = ("BLOCK", "HOLD") if name in ("duplicates", "overfitting") else ("BLOCK",)
    assert report.decision.outcome in refused and report.exit_code in (3, 4), str(report)
    assert report.diagnosis.causes[0].id == name.split()[0], str(report)
    assert report.forward_passes <= 4


def test_examples_are_asked_about_one_at_a_time():
    found = examined(faults.BROKEN["batch_dependence"]()).measurements.alone
    # Beside other pictures most are right, whichever these are.
    assert found is not None and found.again.correct == 0
    assert found.right.first.value > 0.9 and found.right.second.value < 0.3


def test_few_validation_examples_are_held():
    case = faults.HEALTHY["no normalisation"]()
    few = case.validation[0][:60], case.validation[1][:60]
    report = frostgate.diagnose(case.model, case.train, few)
    assert report.decision.outcome == "HOLD" and report.exit_code == 4


def test_the_scale_of_pictures_is_found_where_batch_norm_makes_training_mode_blind_to_it():
    keras.utils.set_random_seed(0)
    splits = [replace(as_split(*data, "digits"), is_pictures=True) for data in faults.digits()]
    scaled = splits[0].inputs / 255, splits[0].labels
    model = faults.convnet(norm=lambda: keras.layers.BatchNormalization(momentum=0.9), scale=1.0)
    report = examine(faults.fit(model, scaled, epochs=6), splits[0], splits[1])
    assert (report.preprocessing, report.decision.outcome) == ("unit", "PASS"), str(report)
    assert "pictures preprocessed as: unit (most are right with it; --preprocess" in str(report)


@pytest.mark.parametrize(("name", "family"), [("resnet8", "tf"), ("mine", "none")])
def test_of_scalings_with_which_all_is_right_a_known_networks_own_is_taken(name, family):
    """The largest channel is the class, whatever the pixels are scaled by."""
    backbone = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()], name=name)
    model = keras.Sequential([backbone, keras.layers.Dense(3, "softmax", kernel_initializer="identity")])
    labels, random = np.arange(240) % 3, np.random.default_rng(0)
    drawn = [random.integers(0, 100, (240, 8, 8, 3)).astype(np.float32) for _ in range(2)]
    for pictures in drawn:
        pictures[np.arange(240), ..., labels] += 100
    train, validation = (replace(as_split(pictures, labels, "colours"), is_pictures=True) for pictures in drawn)
    report = examine(model, train, validation)
    assert (report.preprocessing, report.decision.outcome) == (family, "PASS"), str(report)


def test_nothing_but_copies_is_no_validation():
    case = faults.HEALTHY["no normalisation"]()
    report = frostgate.diagnose(case.model, case.train, case.train)
    assert report.decision.outcome == "HOLD" and report.exit_code == 4, str(report)
    check = next(check for check in report.decision.checks if check.name == "copies")
    assert check.fired and check.value == 1 and check.detail in report.decision.sentence
    assert (
        "(validation[0] shows what train[0] shows; validation[1] shows what train[1] shows)" in report.decision.sentence
    )
    assert report.diagnosis.causes[0].id == "duplicates"


def test_copies_of_training_examples_that_were_not_drawn_are_found():
    case = faults.HEALTHY["no normalisation"]()
    (x, y), (unseen, labels) = case.train, case.validation
    noise = np.random.default_rng(0).normal(size=(5_000, *x.shape[1:])).astype(x.dtype)
    train = np.concatenate([x, noise, unseen[:60]]), np.concatenate([y, np.resize(y, 5_000), labels[:60]])
    split = as_split(*train, "train")
    assert len(split.labels) == 5_000
    report = examine(case.model, split, as_split(unseen, labels, "validation"))
    check = next(check for check in report.decision.checks if check.name == "copies")
    # Two of the digits are written alike.
    assert check.fired and 60 <= int(check.detail.split()[0]) <= 62


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x, y: (x[..., :1], y), r"takes inputs of shape \[16, 16, 3\]; the validation data have \[16, 16, 1\]"),
        (lambda x, y: (x[:, :8], y), r"takes inputs of shape \[16, 16, 3\]; the validation data have \[8, 16, 3\]"),
        (lambda x, y: (x, np.zeros_like(y)), "validation data must have at least two classes; all 600 labels are 0"),
    ],
)
def test_data_that_the_model_cannot_be_judged_on_are_refused_in_one_sentence(change, sentence):
    train, validation = faults.digits()
    with pytest.raises(DataRefused, match=sentence):
        frostgate.diagnose(faults.convnet(), train, change(*validation))


def test_a_data_set_of_tensorflow_is_refused_with_the_way_out():
    with pytest.raises(DataRefused, match=r"train must be a pair of arrays, .* received _TensorSliceDataset"):
        frostgate.diagnose(faults.convnet(), tf.data.Dataset.from_tensor_slices([1, 2]), faults.digits()[1])


def test_labels_beyond_the_models_outputs_are_refused_in_one_sentence():
    train, validation = faults.digits()
    with pytest.raises(DataRefused, match="The model has 5 outputs; expected at least 10"):
        frostgate.diagnose(faults.convnet(5), train, validation)


def test_a_model_of_another_backend_is_refused_with_the_way_out(monkeypatch):
    model, (train, validation) = faults.convnet(), faults.digits()
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    with pytest.raises(DataRefused, match=r"it computes with torch\. Set KERAS_BACKEND=tensorflow"):
        frostgate.diagnose(model, train, validation)
