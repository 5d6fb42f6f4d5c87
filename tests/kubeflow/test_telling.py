"""What a cluster's steps tell a real Pushgateway, run as the launcher runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from pipeline.runners.kubeflow.facts import COMPILED, Facts
from tests.monitoring.summaries import BLOCKED, PASSED
from tests.servers import held_by

pytestmark = pytest.mark.tfx

ROOT = Path(__file__).parents[2]
REPORT = {
    "uri": "s3://pictures", "fingerprint": "f", "spans": [8, 9], "classes": ["cat", "dog"], "num_read": 300,
    "num_kept": 299, "num_rejected": 1, "by_split": {"train": 200, "stop": 0, "eval": 99},
    "by_class": {"train": {"cat": 100, "dog": 100}, "eval": {"cat": 50, "dog": 49}},
    "rejected_by_reason": {"corrupt": 1}, "num_duplicates": 0, "eval_fraction": 0.33, "reject_examples": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def container():
    """The data gate's in the committed file."""
    spec = next(yaml.safe_load_all((ROOT / "kubeflow" / "training.yaml").read_text()))
    return spec["deploymentSpec"]["executors"]["exec-DataGate"]["container"]


def told_to(container, pushgateway):
    """The environment of a step that was compiled for a gateway."""
    (text,) = [one["value"] for one in container["env"] if one["name"] == COMPILED]
    facts = Facts.read(text)
    monitoring = facts.config.monitoring.model_copy(update={"pushgateway": pushgateway})
    config = facts.config.model_copy(update={"monitoring": monitoring})
    return {COMPILED: facts.model_copy(update={"config": config}).written()}


@pytest.fixture
def gated(container, tmp_path):
    """Runs the data gate's container on an ingest report, with a gateway to tell."""

    def run(pushgateway, **report):
        bucket = tmp_path / "minio" / "bucket"
        write_inputs(bucket, REPORT | report)
        names = {"splits": {"split_names": '["train", "stop", "eval"]'}, "none": {}}
        inputs = {
            key: {"artifacts": [{"name": "1", "uri": f"minio://bucket/{key}", "metadata": names[kind]}]}
            for key, kind in (("anomalies", "splits"), ("statistics", "splits"), ("schema", "none"), ("report", "none"))
        }
        decision = {"type": {"instanceSchema": "title: frostgate.DataDecision\ntype: object\n"}}
        message = {
            "inputs": {"artifacts": inputs, "parameterValues": {"settings": "{}", "code_hash": ""}},
            "outputs": {
                "artifacts": {"decision": {"artifacts": [{"uri": "minio://bucket/decision", **decision}]}},
                "outputFile": str(tmp_path / "task" / "output.json"),
            },
        }
        arguments = [json.dumps(message) if one == "{{$}}" else one for one in container["args"]]
        environment = os.environ | told_to(container, pushgateway) | {"FROSTGATE_LOCAL_ROOT": str(tmp_path)}
        command = [sys.executable, *container["command"][1:], *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    return run


def write_inputs(bucket, report):
    import pandas
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    from schemas.images import write_schema

    for name in ("anomalies", "statistics", "schema", "report"):
        (bucket / name).mkdir(parents=True, exist_ok=True)
    (bucket / "report" / "report.json").write_text(json.dumps(report))
    written = Path(write_schema(("cat", "dog"), str(bucket / "made")))
    (bucket / "schema" / written.name).write_text(written.read_text())
    for split, width in (("train", 20), ("stop", 20), ("eval", 30)):
        for kind in ("anomalies", "statistics"):
            (bucket / kind / f"Split-{split}").mkdir(exist_ok=True)
        counted = tfdv.generate_statistics_from_dataframe(pandas.DataFrame({"width": range(width, width + 50)}))
        (bucket / "statistics" / f"Split-{split}" / "FeatureStats.pb").write_bytes(counted.SerializeToString())
        clean = anomalies_pb2.Anomalies().SerializeToString()
        (bucket / "anomalies" / f"Split-{split}" / "SchemaDiff.pb").write_bytes(clean)


def test_the_data_gate_tells_of_data_that_it_let_pass(gated, gateway):
    done = gated(gateway)
    assert done.returncode == 0, done.stderr[-3_000:]
    found = held_by(gateway)
    assert found["frostgate_data_passed", "digits"] == 1
    assert found["frostgate_images", "train", "digits"] == 200
    assert found["frostgate_split_distance", "value", "width", "digits"] > 0.1
    assert {key[0] for key in found} & {"frostgate_run_status", "frostgate_verdict"} == set()


def test_and_of_data_that_it_refused(gated, gateway):
    done = gated(gateway, num_kept=290, num_rejected=10, by_split={"train": 191, "stop": 0, "eval": 99},
                 rejected_by_reason={"corrupt": 10})  # fmt: skip
    assert done.returncode == 2 and "10 of 300 images were rejected" in done.stderr
    found = held_by(gateway)
    assert found["frostgate_data_passed", "digits"] == 0
    assert found["frostgate_rejected_images", "digits", "corrupt"] == 10


def test_a_gateway_that_does_not_answer_costs_the_step_a_line(gated):
    done = gated("http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr[-3_000:]
    assert "frostgate: The Pushgateway at http://127.0.0.1:9 did not take" in done.stderr


@pytest.fixture
def registered(container, tmp_path, monkeypatch):
    """Tells a gateway what the step that registers the model knows."""
    from pipeline.runners.kubeflow.telling import tell_of_step

    def tell(pushgateway, verdict, pushed):
        for name, value in told_to(container, pushgateway).items():
            monkeypatch.setenv(name, value)
        documents = {
            "verdict": ("verdict.json", verdict),
            "serving_report": ("serving.json", {"passed": True}),
            "pushed_model": ("pushed.json", pushed),
            "ingest_report": ("report.json", REPORT),
        }
        inputs = {}
        for key, (name, content) in documents.items():
            (tmp_path / key).mkdir(exist_ok=True)
            (tmp_path / key / name).write_text(json.dumps(content))
            inputs[key] = [SimpleNamespace(uri=str(tmp_path / key))]
        return tell_of_step("RegistryPush", inputs, {}, {})

    return tell


def test_the_step_that_registers_tells_how_the_run_came_out(registered, gateway):
    blocked = BLOCKED["verdict"] | {"sentence": "Blocked."}
    assert registered(gateway, blocked, {"pushed": 0, "version": None}) == ()
    found = held_by(gateway)
    assert found["frostgate_run_status", "digits", "blocked"] == 1 and found["frostgate_run_exit_code", "digits"] == 3
    assert found["frostgate_cause", "batch_norm_mode", "digits"] == 1 and found["frostgate_newest_span", "digits"] == 9
    assert "frostgate_last_success_timestamp_seconds" not in {key[0] for key in found}
    # How long it took, the backend knows.
    assert "frostgate_run_duration_seconds" not in {key[0] for key in found}

    assert registered(gateway, PASSED | {"sentence": "Passed."}, {"pushed": 1, "version": 4}) == ()
    found = held_by(gateway)
    assert found["frostgate_run_status", "digits", "pushed"] == 1
    assert found["frostgate_champion_version", "digits"] == 4
    assert ("frostgate_cause", "batch_norm_mode", "digits") not in found


def test_other_steps_and_steps_without_a_gateway_tell_nobody(registered):
    from pipeline.runners.kubeflow.telling import tell_of_step

    assert registered("", PASSED | {"sentence": "Passed."}, {"pushed": 1, "version": 4}) == ()
    assert tell_of_step("Trainer", {}, {}, {}) == ()
