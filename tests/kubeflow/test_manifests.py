"""The manifests agree with each other and with what is compiled; `make check` knows Kubernetes' schemas."""

from pathlib import Path

import pytest
import yaml

from pipeline.runners.kubeflow.settings import LABELS, KubeflowSettings

MANIFESTS = Path(__file__).parents[2] / "kubeflow" / "manifests"


def objects():
    return [
        one
        for path in sorted(MANIFESTS.glob("*/[!k]*.yaml"))
        for one in yaml.safe_load_all(path.read_text())
        if "kind" in one
    ]


def of_kind(kind):
    (found,) = [one for one in objects() if one["kind"] == kind]
    return found


@pytest.mark.parametrize("folder", ["base", "gpu"])
def test_a_kustomization_lists_every_file_beside_it(folder):
    listed = yaml.safe_load((MANIFESTS / folder / "kustomization.yaml").read_text())["resources"]
    files = {path.name for path in (MANIFESTS / folder).iterdir()} - {"kustomization.yaml"}
    assert {name for name in listed if name.endswith(".yaml")} == files
    assert all((MANIFESTS / folder / name).exists() for name in listed)


def test_the_account_has_the_role_and_no_right_to_everything():
    binding, role = of_kind("RoleBinding"), of_kind("Role")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": of_kind("ServiceAccount")["metadata"]["name"]}]
    for rule in role["rules"]:
        assert "*" not in str(rule)
        assert set(rule["verbs"]) <= {"get", "list", "create", "patch"}
        # Secrets and settings by their name, never all of a namespace.
        assert "resourceNames" in rule or not {"secrets", "configmaps"} & set(rule["resources"])


def test_the_names_are_those_that_steps_are_compiled_with():
    assert of_kind("PersistentVolumeClaim")["metadata"]["name"] == KubeflowSettings().volume
    assert of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == LABELS
