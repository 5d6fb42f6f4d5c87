"""Healthy models pass; every fault is blocked and named; the model is left as it was."""

import numpy as np
import pytest

import frostgate
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


def test_few_validation_examples_are_held():
    case = faults.HEALTHY["no normalisation"]()
    few = case.validation[0][:60], case.validation[1][:60]
    report = frostgate.diagnose(case.model, case.train, few)
    assert report.decision.outcome == "HOLD" and report.exit_code == 4


def test_labels_beyond_the_models_outputs_are_refused_in_one_sentence():
    train, validation = faults.digits()
    with pytest.raises(DataRefused, match="The model has 5 outputs; expected at least 10"):
        frostgate.diagnose(faults.convnet(5), train, validation)
