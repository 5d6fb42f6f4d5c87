"""Applying a manifest with the official client to a server that takes what KServe takes."""

import pytest

from components.errors import DataRefused
from components.kserve.cluster import apply
from components.kserve.errors import ClusterUnavailable
from components.kserve.manifest import InferenceService, Served, manifest
from components.kserve.settings import KServeSettings


def service(**changes: str) -> InferenceService:
    settings = KServeSettings(name="digits", storage_uri="pvc://models/digits")
    return manifest(settings.model_copy(update=changes), Served(3, "7", "f" * 64, "key", "PASS"))


def test_what_is_applied_is_what_the_server_holds_and_again_is_the_same(cluster, kubeconfig):
    for _ in range(2):
        held = apply(service(), dry_run=False)
        assert cluster.held == {"models/digits": held}
    expected = service().document()
    expected["metadata"]["namespace"] = "models"  # The context's.
    assert held == expected
    assert cluster.asked[0][1] == {"fieldManager": "frostgate", "force": "true"}


def test_the_settings_namespace_goes_before_the_contexts(cluster, kubeconfig):
    apply(service(namespace="default"), dry_run=False)
    assert list(cluster.held) == ["default/digits"]


def test_a_dry_run_is_checked_by_the_server_and_kept_by_nobody(cluster, kubeconfig):
    apply(service(), dry_run=True)
    assert cluster.held == {} and cluster.asked[0][1]["dryRun"] == "All"


@pytest.mark.parametrize(
    ("failure", "error", "sentence"),
    [
        ((401, "Unauthorized"), DataRefused, "Unauthorized. Log in again"),
        ((403, "forbidden"), DataRefused, "Ask for the right to patch inferenceservices"),
        ((404, "not found"), DataRefused, "Install KServe, and make the namespace models"),
        ((422, "admission webhook said no."), DataRefused, "webhook said no. Correct the settings under kserve"),
        ((503, "starting"), ClusterUnavailable, "could not apply the manifest (starting)"),
    ],
)
def test_a_servers_refusal_is_one_sentence_that_says_what_to_do(cluster, kubeconfig, failure, error, sentence):
    cluster.failure = failure
    with pytest.raises(error) as raised:
        apply(service(), dry_run=False)
    assert sentence in str(raised.value) and "\n" not in str(raised.value)


def test_a_namespace_that_is_not_there_is_refused_by_the_server(cluster, kubeconfig):
    with pytest.raises(DataRefused, match="make the namespace elsewhere"):
        apply(service(namespace="elsewhere"), dry_run=False)


def test_a_server_that_is_not_there_is_asked_once(cluster, kubeconfig):
    kubeconfig.write_text(kubeconfig.read_text().replace(cluster.address, "http://127.0.0.1:9"))
    with pytest.raises(ClusterUnavailable, match=r"http://127.0.0.1:9 does not answer"):
        apply(service(), dry_run=False)


@pytest.mark.parametrize(
    "contents", [None, "", "current-context: nowhere\ncontexts: []\nclusters: []\nusers: []\n", "]["]
)
def test_an_unusable_kubeconfig_is_one_sentence(cluster, kubeconfig, contents):
    kubeconfig.unlink()
    if contents is not None:
        kubeconfig.write_text(contents)
    with pytest.raises(DataRefused, match="There is no usable kubeconfig") as raised:
        apply(service(), dry_run=False)
    assert "\n" not in str(raised.value)


def test_a_manifest_without_a_place_is_never_sent(cluster, kubeconfig):
    with pytest.raises(DataRefused, match=r"kserve\.storage_uri must say"):
        apply(service(storage_uri=""), dry_run=False)
    assert cluster.asked == []
