"""What a run tells Prometheus, and that nobody's silence costs a run anything."""

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from components.monitoring.metrics import STATUSES, metrics, success
from components.monitoring.sending import send
from components.monitoring.settings import MonitoringSettings

INTERVAL = {"low": 0.8, "high": 0.95, "level": 0.95, "method": "Newcombe"}
BLOCKED: dict[str, Any] = {
    "pipeline": "digits",
    "status": "blocked",
    "exit_code": 3,
    "seconds": 12.5,
    "served_version": None,
    "spans": [3, 4],
    "nodes": [{"id": "Trainer", "status": "done", "seconds": 7.0}, {"id": "Card", "status": "cached", "seconds": 0.1}],
    "verdict": {
        "decision": "BLOCK",
        "measurements": {
            "A": {"value": 0.9, "interval": INTERVAL},
            "B": None,
            "C": {"value": 0.1, "interval": INTERVAL},
        },
        "checks": [
            {"code": "G1", "name": "mode gap", "fired": True, "value": 0.76, "interval": INTERVAL},
            {"code": "G0", "name": "parity", "fired": False, "value": float("nan"), "interval": None},
        ],
        "diagnosis": {"causes": [{"id": "batch_norm_mode"}]},
        "counts": {"train": 600, "eval": 297, "rejected": None},
    },
}
FAILED = BLOCKED | {"status": "failed", "exit_code": 1, "verdict": None, "nodes": [], "spans": []}
PUSHED = BLOCKED | {"status": "pushed", "exit_code": 0, "served_version": "7"}

Samples = dict[tuple[str, ...], float]


def samples(text: str) -> Samples:
    found = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            labels = [value for key, value in sorted(one.labels.items()) if key not in ("instance", "job")]
            found[one.name, *labels] = one.value
    return found


def told(registry: CollectorRegistry) -> Samples:
    return samples(generate_latest(registry).decode())


def test_a_blocked_run_says_why():
    found = told(metrics(BLOCKED, 1000.0))
    assert found["frostgate_run_ended_timestamp_seconds", "digits"] == 1000.0
    assert found["frostgate_run_exit_code", "digits"] == 3 and found["frostgate_run_pushed", "digits"] == 0
    assert found["frostgate_run_duration_seconds", "digits"] == 12.5
    assert {status: found["frostgate_run_status", "digits", status] for status in STATUSES} == {
        status: float(status == "blocked") for status in STATUSES
    }
    assert [found["frostgate_verdict", decision, "digits"] for decision in ("PASS", "BLOCK", "HOLD")] == [0, 1, 0]
    assert found["frostgate_accuracy", "value", "A", "digits"] == 0.9
    assert found["frostgate_accuracy", "low", "C", "digits"] == 0.8
    assert found["frostgate_gap", "value", "mode gap", "digits"] == 0.76
    assert found["frostgate_check_fired", "mode gap", "G1", "digits"] == 1
    assert found["frostgate_check_fired", "parity", "G0", "digits"] == 0
    assert found["frostgate_cause", "batch_norm_mode", "digits"] == 1
    assert found["frostgate_images", "eval", "digits"] == 297
    assert found["frostgate_node_duration_seconds", "Trainer", "digits", "done"] == 7.0
    assert found["frostgate_newest_span", "digits"] == 4


def test_what_was_not_measured_is_absent_and_never_zero():
    found = told(metrics(BLOCKED, 1000.0))
    assert not [
        key for key in found if "B" in key or "rejected" in key or (key[:1] == ("frostgate_gap",) and "parity" in key)
    ]
    names = {key[0] for key in told(metrics(FAILED, 1000.0))}
    assert names == {f"frostgate_run_{name}" for name in ("duration_seconds", "ended_timestamp_seconds")} | {
        "frostgate_run_status",
        "frostgate_run_exit_code",
        "frostgate_run_pushed",
    }


def test_a_run_with_nothing_new_is_a_success_that_says_nothing_of_the_champion():
    assert {key[0] for key in told(success(PUSHED, 5.0))} == {
        "frostgate_last_success_timestamp_seconds",
        "frostgate_champion_since_timestamp_seconds",
    }
    assert {key[0] for key in told(success(PUSHED | {"status": "unchanged"}, 5.0))} == {
        "frostgate_last_success_timestamp_seconds"
    }


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Pushgateway of our own."""
    program = shutil.which("prometheus-pushgateway")
    if program is None:
        pytest.skip("prometheus-pushgateway is not installed; see tests/install-prometheus.sh")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with (tmp_path_factory.mktemp("gateway") / "log").open("w") as log:
        process = subprocess.Popen([program, f"--web.listen-address={address}"], stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{address}/-/ready", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def held_by(gateway: str) -> Samples:
    with urllib.request.urlopen(f"{gateway}/metrics", timeout=10) as answer:
        found = samples(answer.read().decode())
    return {key: value for key, value in found.items() if key[0].startswith("frostgate_")}


def test_a_gateway_keeps_the_last_success_through_failures(gateway):
    settings = MonitoringSettings(pushgateway=gateway)
    assert send(settings, "digits", metrics(PUSHED, 1000.0), success(PUSHED, 1000.0)) == ()
    first = held_by(gateway)
    assert first["frostgate_last_success_timestamp_seconds", "digits"] == 1000.0
    assert first["frostgate_run_status", "digits", "pushed"] == 1
    assert send(settings, "digits", metrics(FAILED, 2000.0), None) == ()
    second = held_by(gateway)
    assert second["frostgate_last_success_timestamp_seconds", "digits"] == 1000.0
    assert second["frostgate_run_ended_timestamp_seconds", "digits"] == 2000.0
    assert (second["frostgate_run_status", "digits", "pushed"], second["frostgate_run_exit_code", "digits"]) == (0, 1)


def test_pipelines_do_not_replace_each_others_numbers(gateway):
    settings = MonitoringSettings(pushgateway=gateway)
    for name, ended in (("cats", 10.0), ("dogs", 20.0)):
        assert send(settings, name, metrics(FAILED | {"pipeline": name}, ended), None) == ()
    found = held_by(gateway)
    assert found["frostgate_run_ended_timestamp_seconds", "cats"] == 10.0
    assert found["frostgate_run_ended_timestamp_seconds", "dogs"] == 20.0


def test_a_folder_keeps_the_last_success_too(tmp_path):
    settings = MonitoringSettings(textfile=str(tmp_path))
    assert send(settings, "digits", metrics(PUSHED, 1000.0), success(PUSHED, 1000.0)) == ()
    assert send(settings, "digits", metrics(FAILED, 2000.0), None) == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "frostgate-digits-success.prom",
        "frostgate-digits.prom",
    ]
    assert samples((tmp_path / "frostgate-digits.prom").read_text())["frostgate_run_exit_code", "digits"] == 1
    kept = samples((tmp_path / "frostgate-digits-success.prom").read_text())
    assert kept["frostgate_last_success_timestamp_seconds", "digits"] == 1000.0


@pytest.mark.parametrize(
    ("told_where", "sentence"),
    [
        (
            {"pushgateway": "http://127.0.0.1:9"},
            "The Pushgateway at http://127.0.0.1:9 did not take .*Connection refused",
        ),
        ({"pushgateway": "no address at all"}, "The Pushgateway at no address at all did not take"),
        ({"textfile": "{tmp_path}/nowhere"}, "nowhere/frostgate-digits.prom could not be written .No such file"),
    ],
)
def test_who_cannot_be_told_costs_a_sentence(tmp_path, told_where, sentence):
    where = {key: value.format(tmp_path=tmp_path) for key, value in told_where.items()}
    warnings = send(MonitoringSettings(**where), "digits", metrics(BLOCKED, 1.0), None)
    assert len(warnings) == 1
    import re

    assert re.search(sentence, warnings[0]), warnings


@pytest.mark.tfx
def test_a_gateway_that_does_not_answer_costs_a_run_a_warning_only(tmp_path, monkeypatch):
    from pipeline.config import load
    from pipeline.runners.local import run
    from pipeline.runners.results import RunSummary

    for label in ("cat", "dog"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "1.png").write_bytes(label.encode())
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "runners")
    import tiny_nodes

    told = [f"output={tmp_path}/out", f"data.uri={tmp_path}/data", "backbone.weights=none"]
    config = load(None, [*told, "monitoring.pushgateway=http://127.0.0.1:9", f"monitoring.textfile={tmp_path}"])
    summary = run(config, build=lambda plan: tiny_nodes.pipeline(plan.folders.root, tmp_path / "witness"))
    assert (summary.status, summary.exit_code) == ("pushed", 0)
    assert len(summary.warnings) == 1 and "http://127.0.0.1:9" in summary.warnings[0]
    stored = Path(summary.log).with_name("summary.json")
    assert RunSummary.model_validate_json(stored.read_text()) == summary
    # What could be told was told.
    found = samples((tmp_path / "frostgate-digits.prom").read_text())
    assert found["frostgate_node_duration_seconds", "PushGate", "digits", "done"] > 0
    assert found["frostgate_verdict", "PASS", "digits"] == 1
