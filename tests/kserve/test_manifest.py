"""The manifest: what KServe takes, and what TensorFlow Serving is started with."""

import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from components.kserve.manifest import Served, manifest, service_name, text
from components.kserve.settings import KServeSettings

SERVED = Served(3, "7", "f" * 64, "key", "PASS")
PVC = KServeSettings(name="digits", storage_uri="pvc://models/digits")
RUNTIME_ARGUMENTS = ["--model_name=digits", "--port=9000", "--rest_api_port=8080", "--model_base_path=/mnt/models"]


def model(settings: KServeSettings, served: Served = SERVED) -> dict[str, Any]:
    return manifest(settings, served).document()["spec"]["predictor"]["model"]


@pytest.mark.parametrize(
    ("storage", "gpus", "canary", "replicas", "namespace", "account"),
    product(
        ("", "pvc://models/digits/models", "s3://bucket/digits/", "gs://bucket/digits"),
        (0, 2),
        (0, 10, 100),
        ((0, 1), (1, 3)),
        ("", "models"),
        ("", "reader"),
    ),
)
def test_kserve_takes_every_manifest(schema, storage, gpus, canary, replicas, namespace, account):
    settings = KServeSettings(
        name="digits",
        storage_uri=storage,
        gpus=gpus,
        canary_percent=canary,
        min_replicas=replicas[0],
        max_replicas=replicas[1],
        namespace=namespace,
        service_account=account,
    )
    jsonschema.validate(yaml.safe_load(text(manifest(settings, SERVED))), schema)


def test_the_schema_refuses_what_the_definition_does_not_know(schema):
    document = manifest(PVC, SERVED).document()
    document["spec"]["predictor"]["canaryPercent"] = 10
    with pytest.raises(jsonschema.ValidationError, match="canaryPercent"):
        jsonschema.validate(document, schema)


def test_another_champion_is_another_spec_and_the_same_one_the_same_text():
    assert text(manifest(PVC, SERVED)) == text(manifest(PVC, SERVED))
    other = manifest(PVC, replace(SERVED, number=4))
    assert other.spec != manifest(PVC, SERVED).spec


def test_the_storage_uri_is_the_versions_folder_and_brings_no_other_version_along():
    assert model(PVC)["storageUri"] == "pvc://models/digits/3"
    # A bucket is listed by prefix: digits/1 would match digits/10 as well.
    bucket = KServeSettings(name="digits", storage_uri="s3://bucket/digits/")
    assert model(bucket, replace(SERVED, number=1))["storageUri"] == "s3://bucket/digits/1/"


def test_an_unknown_place_is_said_and_has_no_scheme_of_kserves():
    service = manifest(KServeSettings(name="digits"), SERVED)
    assert not service.is_complete
    assert "until kserve.storage_uri says" in text(service)
    assert "until" not in text(manifest(PVC, SERVED))
    assert service.spec.predictor.model.storage_uri == "unknown://set-kserve.storage_uri/3/"


def test_the_server_is_started_on_a_folder_with_the_champion_under_its_number_and_nothing_else(tmp_path: Path):
    mounted, server = tmp_path / "mounted", tmp_path / "server"
    mounted.mkdir()
    (mounted / "saved_model.pb").write_text("version three")
    server.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    server.chmod(0o755)
    places = {
        "/mnt/models": mounted,
        "/tmp/versions": tmp_path / "versions",
        "/usr/bin/tensorflow_model_server": server,
    }
    shell, flag, script, name = model(PVC)["command"]
    for place, here in places.items():
        script = script.replace(place, str(here))
    for _ in range(2):  # A container that starts again finds its own folder.
        # KServe gives the runtime's arguments behind the command.
        words = [shell, flag, script, name, *RUNTIME_ARGUMENTS, "--a=with space"]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
        # Of two flags of one name TensorFlow's parser takes the last.
        assert said == [*RUNTIME_ARGUMENTS, "--a=with space", f"--model_base_path={tmp_path}/versions"]
        assert [path.name for path in (tmp_path / "versions").iterdir()] == ["3"]
        assert (tmp_path / "versions" / "3" / "saved_model.pb").read_text() == "version three"


def test_a_canary_is_a_share_and_neither_all_nor_a_rollback():
    canary = PVC.model_copy(update={"canary_percent": 10})
    assert manifest(canary, SERVED).document()["spec"]["predictor"]["canaryTrafficPercent"] == 10
    for settings, served in [(PVC, SERVED), (canary, replace(SERVED, is_rollback=True))]:
        assert "canaryTrafficPercent" not in manifest(settings, served).document()["spec"]["predictor"]


def test_gpus_take_the_image_with_gpus():
    settings = PVC.model_copy(update={"gpus": 1})
    assert model(settings)["runtimeVersion"] == "2.16.1-gpu"
    assert model(settings)["resources"]["limits"] == {"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": "1"}
    assert model(settings.model_copy(update={"runtime_version": "x-gpu"}))["runtimeVersion"] == "x-gpu"


def test_an_image_by_digest_stays_what_it_is_and_a_tag_is_said_to_move():
    # KServe puts `:` and the version where its runtime's tag was, so that a tag with a digest is an image by digest.
    digest = f"2.16.1-gpu@sha256:{64 * 'a'}"
    held = PVC.model_copy(update={"runtime_version": digest, "gpus": 1})
    assert model(held)["runtimeVersion"] == digest
    assert "kserve.runtime_version=2.16.1@sha256:... holds it" in text(manifest(PVC, SERVED))
    assert "holds it" not in text(manifest(held, SERVED))


@pytest.mark.parametrize(
    ("pipeline", "name"),
    [("digits", "digits"), ("3d-shapes", "model-3d-shapes"), (f"{'a' * 52}-{'b' * 10}", "a" * 52)],
)
def test_every_pipelines_name_becomes_one_that_kserve_takes(pipeline, name):
    assert service_name(KServeSettings(), pipeline) == name
    assert service_name(KServeSettings(name="own"), pipeline) == "own"


def test_whose_model_it_is_can_be_read_from_the_service():
    annotations = manifest(PVC, SERVED).document()["metadata"]["annotations"]
    assert annotations["frostgate/registered-version"] == "7" and annotations["frostgate/served-version"] == "3"
    assert annotations["frostgate/fingerprint"] == "f" * 64 and annotations["frostgate/run-key"] == "key"
    assert annotations["frostgate/decision"] == "PASS"
