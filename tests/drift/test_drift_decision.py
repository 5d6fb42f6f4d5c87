from dataclasses import replace

import numpy as np
import pytest

from components.drift.comparing import Distance, distances, validator_config
from components.drift.decision import Comparison, decide
from components.drift.samples import Samples, compare
from components.drift.settings import DriftSettings
from components.drift.two_samples import names_p_value, numbers_p_value
from schemas import features

LIMITS = DriftSettings()
SAME = Comparison("mean_red", 0.02, 0.1, "Jensen-Shannon divergence", 0.5, "median 90", "median 91")
MOVED = replace(SAME, distance=0.4, p_value=1e-9, serving="median 50")


def test_what_looks_the_same_is_quiet():
    found = decide([SAME], 500, LIMITS, "it")
    assert (found.status, found.drifted) == ("quiet", ())
    assert found.sentence == "500 requests look like what the model learnt from."


def test_a_feature_that_is_far_and_not_by_accident_is_named_with_its_numbers():
    found = decide([SAME, replace(MOVED, feature="sharpness")], 500, LIMITS, "it")
    assert (found.status, found.drifted) == ("drift", ("sharpness",))
    assert "sharpness (requests median 50, reference median 90; Jensen-Shannon divergence 0.40 > 0.1)" in found.sentence


def test_far_by_accident_or_near_beyond_doubt_is_quiet():
    assert decide([replace(MOVED, p_value=0.02)], 500, LIMITS, "it").status == "quiet"
    assert decide([replace(MOVED, distance=0.09)], 500, LIMITS, "it").status == "quiet"


def test_the_level_is_shared_by_all_features():
    nearly = replace(MOVED, p_value=0.004)
    assert decide([nearly, SAME], 500, LIMITS, "it").status == "drift"  # 0.01 / 2
    assert decide([nearly, SAME, SAME], 500, LIMITS, "it").status == "quiet"  # 0.01 / 3


def test_the_farthest_comes_first_and_three_are_described():
    far = [replace(MOVED, feature=f"f{n}", distance=0.2 + n / 10) for n in range(5)]
    found = decide(far, 500, LIMITS, "it")
    assert found.drifted == ("f4", "f3", "f2", "f1", "f0")
    assert found.sentence.endswith("; and f1, f0.")


def test_few_requests_cannot_tell_however_far_they_are():
    found = decide([MOVED], 99, LIMITS, "it")
    assert (found.status, found.drifted) == ("undecided", ())
    assert "99 in it, drift.min_requests = 100" in found.sentence


def test_a_feature_without_values_is_no_evidence_that_nothing_moved():
    found = decide([SAME, replace(SAME, feature="confidence", distance=None)], 500, LIMITS, "it")
    assert found.status == "undecided" and "confidence" in found.sentence


def test_a_log_without_pictures_is_judged_without_embeddings():
    without = replace(SAME, feature=features.EMBEDDING_DISTANCE, distance=None, p_value=None)
    assert decide([SAME, without], 500, LIMITS, "it").status == "quiet"


def test_every_scalar_and_every_answer_has_a_comparator():
    compared = {one.path.step[0] for one in validator_config(LIMITS).default_slice_config.feature}
    assert compared == {*features.SERVED_NUMBERS, *features.SERVED_NAMES}


def test_a_threshold_of_the_settings_replaces_the_schemas():
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    anomalies = anomalies_pb2.Anomalies()
    info = anomalies.drift_skew_info.add()
    info.path.step.append("height")
    info.drift_measurements.add(value=0.3)
    found = distances(anomalies, DriftSettings(thresholds={"height": 0.5}))
    assert found["height"] == Distance(0.3, 0.5, "Jensen-Shannon divergence")
    assert found["format"] == Distance(None, 0.1, "L-infinity distance")


def test_tests_of_one_distribution_are_uniform_and_of_two_are_small():
    random = np.random.default_rng(0)
    same = [numbers_p_value(random.normal(size=300), random.normal(size=200)) for _ in range(400)]
    # Of 400 looks at a level of 5 %, 20 are expected; 35 would be beyond chance.
    assert sum(p < 0.05 for p in same) <= 35
    assert numbers_p_value(random.normal(size=300), random.normal(0.5, size=200)) < 1e-4
    names = [*"abcde"]
    same = [names_p_value(random.choice(names, 300).tolist(), random.choice(names, 200).tolist()) for _ in range(400)]
    assert sum(p < 0.05 for p in same) <= 35
    assert names_p_value(["a"] * 150 + ["b"] * 150, ["a"] * 150 + ["b"] * 50) < 1e-4


def test_many_rare_names_raise_no_more_alerts_than_chance():
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, 301) ** 1.5
    shares /= shares.sum()
    names = [f"class {n}" for n in range(300)]
    samples = [[random.choice(names, size, p=shares).tolist() for size in (1000, 100)] for _ in range(400)]
    # 20 are expected; each rare class by itself would make it three times as many.
    assert sum(names_p_value(*pair) < 0.05 for pair in samples) <= 35


def test_rare_names_are_counted_together():
    many = [f"class {n}" for n in range(100)]
    # A class of one example each: no cell would do for a chi-squared test, all together say nothing.
    assert names_p_value(many, many) == 1.0
    assert names_p_value(["a"] * 50 + many, ["a"] * 50 + many) == pytest.approx(1.0)


def test_a_constant_is_the_same_as_itself():
    assert numbers_p_value(np.full(50, 32.0), np.full(40, 32.0)) == 1.0
    assert names_p_value(["png"] * 50, ["png"] * 40) == 1.0


def test_names_are_told_by_the_one_that_changed_most():
    before, now = Samples(), Samples()
    before.names["predicted_class"] = ["cat"] * 50 + ["dog"] * 30 + ["elk"] * 20
    now.names["predicted_class"] = ["cat"] * 45 + ["dog"] * 5 + ["elk"] * 50
    (found,) = compare({"predicted_class": Distance(0.3, 0.1, "L-infinity distance")}, before, now)
    assert (found.reference, found.serving) == ("'elk' 20.0%", "'elk' 50.0%")


def test_a_feature_that_no_request_has_is_not_tested():
    (found,) = compare({"confidence": Distance(None, 0.1, "")}, Samples(), Samples())
    assert found.p_value is None and found.serving == "no value"
