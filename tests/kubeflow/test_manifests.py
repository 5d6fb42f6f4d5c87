"""The manifests agree with each other and with what is compiled, and no pod has rights that it does not need.

`make check` knows Kubernetes' schemas.
"""

import ipaddress
import os
import re
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
import yaml

from components.kserve.manifest import Served, manifest
from components.kserve.settings import KServeSettings
from pipeline.runners.kubeflow.settings import LABELS, KubeflowSettings
from tests.kubeflow.pods import lacks, steps_pods

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "kubeflow" / "manifests"
FOLDERS = ("base", "cloud-identity", "gpu", "volume-as-root")
METADATA: Final = "169.254.169.254"

# Pod, rule -> why it cannot be kept.
EXCEPTIONS: Final = {
    ("frostgate-volume-owner", "not as root"): "only root gives a folder away; the base has a Job without root",
    ("frostgate-volume-owner", "no capabilities"): "CHOWN, which giving a folder away is",
    ("a step", "no token"): "the launcher and Argo's executor report through Kubernetes' API",
    ("a step", "read-only root"): "Kubeflow Pipelines has no word for it; the image is made for one",
    (
        "a model server",
        "read-only root",
    ): "KServe gives what is said of the server to containers of its own, which write",
}


def objects(*folders):
    paths = [path for one in folders or FOLDERS for path in sorted((MANIFESTS / one).glob("[!k]*.yaml"))]
    gateway = [] if folders else [ROOT / "kubeflow" / "monitoring" / "pushgateway.yaml"]
    return [one for path in [*paths, *gateway] for one in yaml.safe_load_all(path.read_text())]


def of_kind(kind):
    (found,) = [one for one in objects("base", "gpu") if one["kind"] == kind]
    return found


def policies(*folders):
    return {one["metadata"]["name"]: one["spec"] for one in objects(*folders) if one["kind"] == "NetworkPolicy"}


def templates():
    """Name -> PodTemplateSpec of every pod that a manifest makes."""
    return {
        one["metadata"]["name"]: one["spec"]["template"] for one in objects() if one["kind"] in ("Deployment", "Job")
    }


def compiled():
    return [
        list(yaml.safe_load_all((ROOT / "kubeflow" / f"{one}.yaml").read_text())) for one in ("training", "monitoring")
    ]


def pods():
    """Every pod that we describe: who it is, and its PodSpec."""
    made = [(name, template["spec"]) for name, template in templates().items()]
    made += [("a step", pod) for documents in compiled() for pod in steps_pods(*documents).values()]
    predictor = manifest(KServeSettings(name="digits"), Served(1, "1", "", "", "PASS")).document()["spec"]["predictor"]
    return [*made, ("a model server", predictor | {"containers": [predictor["model"]]})]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_kustomization_lists_every_file_beside_it(folder):
    listed = yaml.safe_load((MANIFESTS / folder / "kustomization.yaml").read_text())["resources"]
    files = {path.name for path in (MANIFESTS / folder).iterdir()} - {"kustomization.yaml"}
    assert {name for name in listed if name.endswith(".yaml")} == files
    assert all((MANIFESTS / folder / name).exists() for name in listed)


def test_every_folder_is_tested():
    assert {path.name for path in MANIFESTS.iterdir()} == set(FOLDERS)


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
    for name in ("frostgate-volume", "frostgate-volume-owner"):
        pod = templates()[name]["spec"]
        assert [one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"]] == [KubeflowSettings().volume]
        assert [one["mountPath"] for one in pod["containers"][0]["volumeMounts"]] == [KubeflowSettings().mount]


def test_every_pod_is_restricted_but_for_what_is_said_and_what_is_said_is_so():
    assert {(who, rule) for who, pod in pods() for rule in lacks(pod)} == set(EXCEPTIONS)


def test_an_image_is_what_it_was_when_it_was_chosen():
    texts = [path.read_text() for path in sorted((ROOT / "kubeflow").rglob("*.yaml"))]
    named = [name for text in texts for name in re.findall(r"\bimage: *(\S+)", text)]
    assert len(named) >= 6
    assert [name for name in named if not re.fullmatch(r".+@sha256:[0-9a-f]{64}", name)] == []


def test_an_image_is_built_on_one_by_digest():
    said = subprocess.run(
        ["sh", str(ROOT / "kubeflow" / "build.sh")],
        env=os.environ | {"BASE": "debian:12-slim"},
        capture_output=True,
        text=True,
    )
    assert (said.returncode, said.stdout) == (2, "")
    assert "expected BASE by digest" in said.stderr and "received debian:12-slim" in said.stderr


def matches(selector, labels):
    return selector.get("matchLabels", {}).items() <= labels.items()


def allows(rules, where, port):
    """Whether one of some rules lets through to a peer on a TCP port.

    Args:
        rules: The egress or ingress of a policy.
        where: The peer: its address, or the labels of its namespace and of its pod; no namespace is the policy's own.
        port: The peer's.
    """
    for rule in rules:
        ports = rule.get("ports")
        if ports is not None and not any(one["protocol"] == "TCP" and one["port"] == port for one in ports):
            continue
        peers = rule.get("to", rule.get("from"))
        if peers is None or any(is_peer(one, where) for one in peers):
            return True
    return False


def is_peer(peer, where):
    if isinstance(where, str):
        block, address = peer.get("ipBlock", {"cidr": "0.0.0.0/32"}), ipaddress.ip_address(where)
        kept_off = any(address in ipaddress.ip_network(one) for one in block.get("except", ()))
        return address in ipaddress.ip_network(block["cidr"]) and not kept_off
    namespace, pod = where
    if "ipBlock" in peer or ("namespaceSelector" in peer) != (namespace is not None):
        return False
    return matches(peer.get("namespaceSelector", {}), namespace or {}) and matches(peer.get("podSelector", {}), pod)


def named(namespace):
    return {"kubernetes.io/metadata.name": namespace}


def test_a_policy_is_about_pods_that_there_are():
    ours = [template["metadata"]["labels"] for template in templates().values()]
    for _, platform in compiled():
        executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
        assert all(one["podMetadata"]["labels"] == LABELS for one in executors)
    ours.append(LABELS)
    about = [policy["podSelector"] for policy in policies().values()]
    assert all(any(matches(selector, labels) for labels in ours) for selector in about)
    # And there is one about every pod.
    assert all(any(matches(selector, labels) for selector in about) for labels in ours)
    # An empty selector is about everybody's pods.
    assert all(selector["matchLabels"] for selector in about)


def test_a_step_reaches_what_it_needs_and_nobody_reaches_a_step():
    policy = policies("base")["frostgate"]
    assert policy["ingress"] == [] and set(policy["policyTypes"]) == {"Ingress", "Egress"}
    endpoint = urlsplit(KubeflowSettings().endpoint)
    service, namespace = str(endpoint.hostname).split(".")
    needed = [
        ((named(namespace), {"app": service}), endpoint.port),
        ((named("kubeflow"), {"app": "seaweedfs"}), 8333),
        ((named("kube-system"), {"k8s-app": "kube-dns"}), 53),
        (({"frostgate/reachable": "true"}, {"app": "mlflow"}), 5000),
        ((None, templates()["frostgate-pushgateway"]["metadata"]["labels"]), 9091),
        ("192.0.2.1", 443),
        ("2001:db8::1", 443),
        ("10.0.0.1", 6443),
        ("169.254.20.10", 53),
    ]
    assert [one for one in needed if not allows(policy["egress"], *one)] == []
    kept_off = [
        ((named("kubeflow"), {"app": "mysql"}), 3306),
        ((named("mlops"), {"app": "mlflow"}), 5000),
        ((named("tenant"), {"app": "anything"}), 8080),
        ((None, {"app": "anything"}), 8080),
        ("192.0.2.1", 80),
        ("10.0.0.1", 22),
    ]
    assert [one for one in kept_off if allows(policy["egress"], *one)] == []


def test_the_clouds_metadata_are_out_of_reach_unless_they_are_asked_for():
    for address in (METADATA, "169.254.170.23", "169.254.169.252", "fd00:ec2::254"):
        # Port 53 is a name service: GKE's Cloud DNS answers at this address.
        asked = [
            port
            for port in (80, 443, 988, 6443, 8080)
            if allows(policies("base")["frostgate"]["egress"], address, port)
        ]
        assert asked == [], address
    wanted = policies("cloud-identity")["frostgate-cloud-identity"]
    assert wanted["policyTypes"] == ["Egress"] and allows(wanted["egress"], METADATA, 80)
    assert not allows(wanted["egress"], "192.0.2.1", 80)


def test_a_job_about_the_volume_talks_to_nobody():
    policy = policies("base")["frostgate-volume"]
    assert (
        set(policy["policyTypes"]) == {"Ingress", "Egress"} and not policy.get("egress") and not policy.get("ingress")
    )
    assert all(
        matches(policy["podSelector"], templates()[f"frostgate-volume{one}"]["metadata"]["labels"])
        for one in ("", "-owner")
    )


def test_the_gateway_is_reached_by_steps_and_by_prometheus():
    policy = policies()["frostgate-pushgateway"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"} and not policy.get("egress")
    (port,) = templates()["frostgate-pushgateway"]["spec"]["containers"][0]["ports"]
    prometheus = {"app.kubernetes.io/name": "prometheus"}
    assert allows(policy["ingress"], (None, LABELS), port["containerPort"])
    assert allows(policy["ingress"], (named("monitoring"), prometheus), port["containerPort"])
    for stranger in [(None, {}), (named("monitoring"), {}), (named("tenant"), prometheus), (named("tenant"), LABELS)]:
        assert not allows(policy["ingress"], stranger, port["containerPort"])


def run(name, tmp_path, **changes):
    """Runs a Job's script on a folder of ours."""
    *shell, script = templates()[name]["spec"]["containers"][0]["command"]
    for before, after in ({"/frostgate": f"{tmp_path}/volume"} | changes).items():
        script = script.replace(before, after)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return subprocess.run([*shell, script], env={"PATH": path}, capture_output=True, text=True)


def test_the_job_says_what_to_do_where_the_volume_is_not_writable(tmp_path):
    # Root may write anywhere, so a folder that is not there stands for one that is not ours.
    refused = run("frostgate-volume", tmp_path)
    assert refused.returncode == 1 and "Apply kubeflow/manifests/volume-as-root" in refused.stderr
    (tmp_path / "volume").mkdir()
    assert (run("frostgate-volume", tmp_path).returncode, run("frostgate-volume", tmp_path).stderr) == (0, "")


def test_the_volume_is_given_away_once(tmp_path):
    (tmp_path / "volume").mkdir()
    chown = tmp_path / "chown"
    chown.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    chown.chmod(0o755)
    allowed = templates()["frostgate-volume-owner"]["spec"]["containers"][0]["securityContext"]["capabilities"]
    assert allowed == {"drop": ["ALL"], "add": ["CHOWN"]}
    mine = f"{os.getuid()}:{os.getgid()}"
    assert run("frostgate-volume-owner", tmp_path, **{"1000:1000": mine}).returncode == 0
    assert not (tmp_path / "asked").exists()
    assert run("frostgate-volume-owner", tmp_path, **{"1000:1000": "4711:4711"}).returncode == 0
    assert (tmp_path / "asked").read_text() == f"4711:4711 {tmp_path}/volume\n"
