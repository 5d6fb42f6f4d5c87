"""`frostgate registry manifest --apply`, from the registry to the cluster."""

import pytest

from components.push_gate.fingerprint import directory_fingerprint
from components.pusher.versions import push
from components.registry.mlflow_registry import MlflowRegistry
from components.registry.protocol import BASELINE, DECISION, FINGERPRINT, RUN_KEY, ModelRecord
from components.registry.publishing import publish
from components.registry.settings import RegistrySettings
from pipeline.cli.main import main


@pytest.fixture
def say(tmp_path, monkeypatch, capsys):
    """Runs `frostgate registry manifest` where version 1 is the champion; returns its exit code and what it said."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text("graph")
    fingerprint = directory_fingerprint(str(model))
    tags = {FINGERPRINT: fingerprint, DECISION: "PASS", RUN_KEY: "key", BASELINE: "none"}
    push(model, str(tmp_path / "out" / "digits" / "models"), fingerprint)
    registry = MlflowRegistry(RegistrySettings(uri=f"sqlite:///{tmp_path}/out/digits/mlflow.db", model_name="digits"))
    publish(registry, ModelRecord(fingerprint, "PASS", tags, {}, {}, {model: "Format-Serving"}), promote=True)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(
            "sys.argv", ["frostgate", "registry", "manifest", *words, "--set", f"output={tmp_path}/out"]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


STORED = ("--set", "kserve.storage_uri=s3://bucket/digits")


def test_the_champion_is_applied_and_told_of(cluster, kubeconfig, say):
    code, out, err = say("--apply", "--dry-run", *STORED)
    assert (code, out.splitlines()[0]) == (0, "InferenceService models/digits would be applied."), err
    assert cluster.held == {}
    code, out, _ = say("--apply", *STORED)
    assert (code, out) == (0, "InferenceService models/digits is applied.\n  serves: s3://bucket/digits/1/\n")
    assert cluster.held["models/digits"]["metadata"]["annotations"]["frostgate/registered-version"] == "1"


def test_a_cluster_that_refuses_is_exit_code_2_and_one_that_is_down_1(cluster, kubeconfig, say):
    cluster.failure = 403, "forbidden"
    code, out, err = say("--apply", *STORED)
    assert (code, out, err.count("\n")) == (2, "", 1) and "forbidden" in err
    cluster.failure = 500, "etcd"
    assert say("--apply", *STORED)[0] == 1
    assert say("--apply")[0] == 2  # Nobody knows where the versions are.
