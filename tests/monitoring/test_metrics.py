"""What a run tells Prometheus, and that nobody's silence costs a run anything."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from components.monitoring.metrics import STATUSES, parts
from components.monitoring.sending import send
from components.monitoring.settings import MonitoringSettings
from tests.monitoring.samples import Samples, samples
from tests.monitoring.summaries import BLOCKED, FAILED, PASSED, PUSHED
from tests.servers import held_by


def told(made: dict[str, CollectorRegistry]) -> Samples:
    return {key: value for part in made.values() for key, value in samples(generate_latest(part).decode()).items()}


def test_a_blocked_run_says_why():
    found = told(parts(BLOCKED, 1000.0))
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
    assert found["frostgate_gap", "threshold", "mode gap", "digits"] == 0.05
    assert found["frostgate_check_fired", "mode gap", "G1", "digits"] == 1
    assert found["frostgate_check_fired", "parity", "G0", "digits"] == 0
    assert found["frostgate_cause", "batch_norm_mode", "digits"] == 1
    assert found["frostgate_images", "eval", "digits"] == 297
    assert found["frostgate_reject_share", "low", "digits"] == 0.8
    assert found["frostgate_rejected_images", "digits", "corrupt"] == 2
    assert found["frostgate_anomalies", "label", "digits", "train"] == 2
    assert found["frostgate_split_distance", "threshold", "width", "digits"] == 0.1
    assert found["frostgate_node_duration_seconds", "Trainer", "digits", "done"] == 7.0
    assert found["frostgate_newest_span", "digits"] == 4


def test_what_was_not_measured_is_absent_and_never_zero():
    found = told(parts(BLOCKED, 1000.0))
    assert not [key for key in found if "B" in key or (key[:1] == ("frostgate_gap",) and "parity" in key)]
    names = {key[0] for key in told(parts(FAILED, 1000.0))}
    assert names == {f"frostgate_run_{name}" for name in ("duration_seconds", "ended_timestamp_seconds")} | {
        "frostgate_run_status",
        "frostgate_run_exit_code",
        "frostgate_run_pushed",
    }


def test_a_run_says_nothing_of_what_it_has_nothing_to_say_about():
    assert set(parts(BLOCKED, 5.0)) == {"run", "data", "verdict"}
    assert set(parts(FAILED, 5.0)) == {"run"}
    assert set(parts(PUSHED, 5.0)) == {"run", "data", "verdict", "success", "champion"}
    # Nothing new is a success that says nothing of the model.
    assert set(parts(FAILED | {"status": "unchanged", "exit_code": 0}, 5.0)) == {"run", "success"}
    champion = told({"champion": parts(PUSHED, 5.0)["champion"]})
    assert champion["frostgate_champion_since_timestamp_seconds", "digits"] == 5.0
    assert champion["frostgate_champion_version", "digits"] == 7


def test_a_gateway_keeps_the_last_success_through_failures(gateway):
    settings = MonitoringSettings(pushgateway=gateway)
    assert send(settings, "digits", parts(PUSHED, 1000.0)) == ()
    first = held_by(gateway)
    assert first["frostgate_last_success_timestamp_seconds", "digits"] == 1000.0
    assert first["frostgate_run_status", "digits", "pushed"] == 1
    assert send(settings, "digits", parts(FAILED, 2000.0)) == ()
    second = held_by(gateway)
    assert second["frostgate_last_success_timestamp_seconds", "digits"] == 1000.0
    assert second["frostgate_run_ended_timestamp_seconds", "digits"] == 2000.0
    assert (second["frostgate_run_status", "digits", "pushed"], second["frostgate_run_exit_code", "digits"]) == (0, 1)
    # Nothing of the nodes that this run did not have, and the verdict stands.
    assert not [key for key in second if key[0] == "frostgate_node_duration_seconds"]
    assert second["frostgate_verdict", "BLOCK", "digits"] == 1


def test_a_cause_is_gone_with_the_next_verdict(gateway):
    settings = MonitoringSettings(pushgateway=gateway)
    assert send(settings, "digits", parts(BLOCKED, 1000.0)) == ()
    assert ("frostgate_cause", "batch_norm_mode", "digits") in held_by(gateway)
    assert send(settings, "digits", parts(PUSHED | {"verdict": PASSED}, 2000.0)) == ()
    assert ("frostgate_cause", "batch_norm_mode", "digits") not in held_by(gateway)


def test_pipelines_do_not_replace_each_others_numbers(gateway):
    settings = MonitoringSettings(pushgateway=gateway)
    for name, ended in (("cats", 10.0), ("dogs", 20.0)):
        assert send(settings, name, parts(FAILED | {"pipeline": name}, ended)) == ()
    found = held_by(gateway)
    assert found["frostgate_run_ended_timestamp_seconds", "cats"] == 10.0
    assert found["frostgate_run_ended_timestamp_seconds", "dogs"] == 20.0


def test_a_folder_keeps_the_last_success_too(tmp_path):
    settings = MonitoringSettings(textfile=str(tmp_path))
    assert send(settings, "digits", parts(PUSHED, 1000.0)) == ()
    assert send(settings, "digits", parts(FAILED, 2000.0)) == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"frostgate-digits-{name}.prom" for name in ("champion", "data", "run", "success", "verdict")
    ]
    assert samples((tmp_path / "frostgate-digits-run.prom").read_text())["frostgate_run_exit_code", "digits"] == 1
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
        ({"textfile": "{tmp_path}/nowhere"}, "nowhere/frostgate-digits-run.prom could not be written .No such file"),
    ],
)
def test_who_cannot_be_told_costs_a_sentence(tmp_path, told_where, sentence):
    where = {key: value.format(tmp_path=tmp_path) for key, value in told_where.items()}
    warnings = send(MonitoringSettings(**where), "digits", {"run": parts(BLOCKED, 1.0)["run"]})
    assert len(warnings) == 1
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
    found = {key: value for path in tmp_path.glob("*.prom") for key, value in samples(path.read_text()).items()}
    assert found["frostgate_node_duration_seconds", "PushGate", "digits", "done"] > 0
    assert found["frostgate_verdict", "PASS", "digits"] == 1
