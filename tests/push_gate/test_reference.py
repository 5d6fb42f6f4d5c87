import pytest

from components.push_gate.examples import first_examples, read_split
from components.push_gate.measure import measure
from components.push_gate.reference import write
from components.push_gate.settings import GateSettings
from components.serving_log.reference import read_examples, read_mean
from schemas import features

pytestmark = pytest.mark.tfx


def value(example, key):
    feature = example.features.feature[key]
    return (*feature.bytes_list.value, *feature.float_list.value, *feature.int64_list.value)[0]


def test_every_reference_example_has_the_answer_to_its_own_picture(run_of, tmp_path):
    uris = run_of("healthy").uris()
    measurement = measure(uris.model, uris.splits, (), GateSettings())
    write(str(tmp_path), uris.splits[features.EVAL], measurement)
    rows = measurement.examples[features.EVAL].rows
    labels = {row.uri: measurement.classes[row.label] for row in rows}
    raw = first_examples(uris.splits[features.EVAL], 10_000)
    found = list(read_examples(str(tmp_path)))
    assert len(found) == len(raw) == len(rows)
    # The model is right almost always: answers that belonged to other pictures would agree with few labels.
    right = [
        value(one, features.PREDICTED_CLASS).decode() == labels[value(example, features.URI).decode()]
        for one, example in zip(found, raw, strict=True)
    ]
    assert sum(right) == measurement.scores[features.EVAL].right.sum() > 0.9 * len(rows)
    assert all(
        value(one, features.SHARPNESS) == value(example, features.SHARPNESS)
        for one, example in zip(found, raw, strict=True)
    )
    mean = read_mean(str(tmp_path))
    assert measurement.embeddings is not None and mean is not None
    assert mean.shape == measurement.embeddings.shape[1:]
    assert all(features.EMBEDDING_DISTANCE in one.features.feature for one in found)


def test_a_reference_holds_nothing_that_tells_a_picture(run_of, tmp_path):
    uris = run_of("healthy").uris()
    write(str(tmp_path), uris.splits[features.EVAL], measure(uris.model, uris.splits, (), GateSettings()))
    keys = {key for example in read_examples(str(tmp_path)) for key in example.features.feature}
    assert keys <= {*features.SERVED_NUMBERS, *features.SERVED_NAMES}


def test_the_first_examples_are_those_of_the_first_rows(run_of):
    uris = run_of("healthy").uris()
    rows = read_split(uris.splits[features.EVAL], tuple("56789"), (), None).rows
    first = first_examples(uris.splits[features.EVAL], 7)
    assert [value(one, features.URI).decode() for one in first] == [row.uri for row in rows[:7]]
    assert all(features.IMAGE_BYTES not in one.features.feature for one in first)


def test_a_model_whose_answers_are_no_numbers_has_no_reference(run_of, tmp_path):
    from dataclasses import replace

    import numpy as np

    uris = run_of("healthy").uris()
    measurement = measure(uris.model, uris.splits, (), GateSettings())
    scores = measurement.scores[features.EVAL]
    broken = replace(scores, predicted=np.where(np.arange(len(scores.labels)) == 3, -1, scores.predicted))
    write(str(tmp_path), "", replace(measurement, scores={features.EVAL: broken}))
    assert list(read_examples(str(tmp_path))) == []
