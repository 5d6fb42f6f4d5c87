"""What only a pipeline knows of a model: the accuracy that its trainer saw, and how many updates it made."""

import keras
import numpy as np
import pytest

from components.diagnosis.attribution import attribute
from components.diagnosis.batch_norm import initial_statistics
from components.diagnosis.conversions import from_family
from components.diagnosis.head import look
from components.diagnosis.probes import examine_session
from components.diagnosis.session import Examples, Session
from components.intervals import Counts
from components.preprocessing import FAMILIES
from tests.doctor import faults

pytestmark = pytest.mark.tfx


def pictures(number: int = 8) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (number, 6, 6, 3)).astype(np.float32)


@pytest.mark.parametrize("other", ["none", "unit", "tf", "torch"])
def test_a_conversion_makes_of_one_family_what_the_other_would_have_made(other):
    conversions = {one.name: one for one in from_family("caffe")}
    converted = conversions[f"from caffe to {other}"].apply(FAMILIES["caffe"].apply(pictures()))
    np.testing.assert_allclose(converted, FAMILIES[other].apply(pictures()), rtol=1e-3, atol=1e-2)


def test_what_updates_leave_of_the_start_counts_for_trainable_layers():
    layers = [keras.layers.BatchNormalization(momentum=momentum) for momentum in (0.9, 0.99)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    assert initial_statistics(model, 5) == pytest.approx(0.99**5)
    layers[1].trainable = False
    assert initial_statistics(model, 5) == pytest.approx(0.9**5)
    layers[0].trainable = False
    assert initial_statistics(model, 5) is None


def test_a_model_that_is_fed_another_family_than_it_was_trained_on_is_found_out():
    case = faults.HEALTHY["no normalisation"]()
    train, validation = (
        Examples(FAMILIES["caffe"].apply(inputs), labels) for inputs, labels in (case.train, case.validation)
    )
    head, claimed = look(case.model, 10), Counts(985, 1_000)
    session = Session(case.model, head, train, validation, 10, 32, claimed=claimed, num_updates=192, family="caffe")
    measured, _ = examine_session(session)
    cause = attribute(measured).causes[0]
    assert (cause.id, cause.confidence) == ("training_serving_skew", "strong")
    assert cause.explains is not None and cause.explains > 0.9
    assert "from caffe to none" in cause.evidence[1]
    assert session.passes <= 4
