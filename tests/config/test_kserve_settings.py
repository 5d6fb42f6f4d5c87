"""What follows from the configuration for KServe, and what is refused."""

import pytest

from pipeline.config import ConfigRefused, fingerprint, load
from pipeline.resolve import effective_kserve


@pytest.mark.parametrize(
    ("overrides", "storage_uri"),
    [
        ((), ""),
        (("output=/frostgate",), "pvc://frostgate/digits/models"),
        (("push.destination=/data/served", "kubeflow.mount=/data", "kubeflow.volume=claim"), "pvc://claim/served"),
        (("output=/frostgate", "kserve.storage_uri=s3://bucket/digits"), "s3://bucket/digits"),
    ],
)
def test_the_clusters_name_of_the_push_destination_is_known_where_it_is_on_the_volume(overrides, storage_uri):
    assert effective_kserve(load(overrides=overrides)).storage_uri == storage_uri


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("kserve.storage_uri=/models", "kserve.storage_uri must be a text like pvc://models/digits or s3://"),
        ("kserve.name=Digits", "kserve.name must be a text like digits"),
        ("kserve.memory=2GB", "kserve.memory must be a text like 2Gi"),
        ("kserve.canary_percent=101", "kserve.canary_percent must be a whole number in [0, 100]"),
        ("kserve.min_replicas=4", "kserve.min_replicas must be at most kserve.max_replicas, 3; received 4."),
        ("kserve.runtime_version=2.16.1-gpu", "kserve.gpus must be at least 1"),
        (f"kserve.runtime_version=2.16.1-gpu@sha256:{64 * 'a'}", "kserve.gpus must be at least 1"),
        ("kserve.runtime_version=2.16.1@sha256:abc", "kserve.runtime_version must be a text like 2.16.1"),
    ],
)
def test_what_no_cluster_would_take_is_refused_at_the_door(override, sentence):
    with pytest.raises(ConfigRefused) as refused:
        load(overrides=[override])
    (problem,) = refused.value.problems
    assert sentence in problem


def test_an_image_by_digest_is_the_one_with_gpus_where_there_are_any():
    by_digest = f"@sha256:{64 * 'a'}"
    load(overrides=[f"kserve.runtime_version=2.16.1-gpu{by_digest}", "kserve.gpus=1"])
    with pytest.raises(ConfigRefused) as refused:
        load(overrides=[f"kserve.runtime_version=2.16.1{by_digest}", "kserve.gpus=1"])
    assert "kserve.runtime_version must name an image with GPUs" in refused.value.problems[0]


def test_how_a_model_is_served_does_not_change_the_model():
    assert fingerprint(load(overrides=["kserve.cpu=2"])) == fingerprint(load())
