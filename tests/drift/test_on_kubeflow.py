"""The compiled monitoring pipeline executed step by step as on the backend, and what it starts on a server.

Steps cost time, so a test goes on from those of another where it can; they run in order.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from components.monitoring.webhook import NOTIFY_URL
from pipeline.config import load
from tests.drift.test_monitor import UNCHANGED, darker, same
from tests.kubeflow import server as api
from tests.kubeflow.backend import Backend, Execution
from tests.servers import held_by

pytestmark = pytest.mark.engine

IMAGE = f"kubeflow.image=frostgate@sha256:{64 * '0'}"
MARKS = {"Quiet", "Drift", "Undecided"}


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    return Backend(tmp_path_factory.mktemp("cluster"))


@pytest.fixture
def on_volume(watched, backend) -> Callable[..., Path]:
    """Compiles for a cluster whose volume has the champion and its registry."""

    def compiled(*overrides: str) -> Path:
        from pipeline.runners.kubeflow.compiling import compile_pipeline

        told = [IMAGE, f"kubeflow.mount={watched.output}", "kubeflow.retries=0", *overrides]
        path = backend.home / "monitoring.yaml"
        path.write_text(compile_pipeline(load(None, told), "monitoring").to_yaml())
        return path

    return compiled


@pytest.fixture(scope="module")
def volume(watched) -> Path:
    return Path(watched.output)


@pytest.fixture
def server() -> Iterator[api.Server]:
    """A server that knows of the look that is going on."""
    with api.serving() as running:
        running.runs.append({
            "run_id": "a-run", "display_name": "digits-monitoring 2026-01-01", "experiment_id": "watching",
            "state": "RUNNING", "service_account": "frostgate", "runtime_config": {"pipeline_root": "s3://root"},
        })  # fmt: skip
        yield running


@pytest.fixture(scope="module")
def moved() -> dict[str, Execution]:
    """The steps of the look that found drift."""
    return {}


def ran(done):
    return {name for name, one in done.items() if one.state in ("COMPLETE", "CACHED")}


def failures(done):
    return {name: one.log[-3_000:] for name, one in done.items() if one.state == "FAILED"}


def found(backend, done):
    return json.loads((backend.artifact(done["DriftGate"], "report") / "drift.json").read_text())


def until_gate(done):
    return {name: one for name, one in done.items() if name not in {*MARKS, "DriftGate", "Train", "Ended"}}


def test_darker_requests_are_an_alert_that_everybody_hears_of_as_on_one_machine(
    backend, on_volume, watched, volume, ask, gateway, chat, say, moved
):
    url, heard = chat
    ask(volume / "darker", darker, UNCHANGED, pictures=True)
    backend.environment = {NOTIFY_URL: url}
    package = on_volume(f"serving_log.uri={volume / 'darker'}", f"monitoring.pushgateway={gateway}")
    moved |= backend.run(package)
    assert not failures(moved)
    assert ran(moved) & MARKS == {"Drift"} and "Requests moved away" in moved["Drift"].log

    _, summary, _ = say(load(None, [f"output={watched.output}", f"serving_log.uri={volume / 'darker'}"]))
    assert found(backend, moved)["comparisons"] == summary["drift"]["comparisons"]

    outputs = moved["DriftGate"].artifacts
    assert "mean_red moved" in backend.artifact(moved["DriftGate"], "page").read_text()
    numbers = outputs["numbers"]["metadata"]
    assert (numbers["status"], numbers["requests"]) == ("drift", len(UNCHANGED)) and numbers["mean_red"] > 0.1
    assert outputs["report"]["metadata"]["status"] == "drift"

    told = held_by(gateway)
    assert told["frostgate_monitoring_status", "digits", "drift"] == 1
    assert told["frostgate_drift_alert", "mean_red", "digits"] == 1
    assert not {key[0] for key in told} & {"frostgate_run_status", "frostgate_verdict"}
    assert "digits, requests, run a-run, is over." in moved["Ended"].log
    (message,) = heard
    title, sentence, page = message["text"].splitlines()
    assert title == "digits, requests: DRIFT" and sentence == summary["message"].replace(">", "&gt;")
    assert page.endswith("the output `page` of the step DriftGate.")


def test_a_run_parameter_reaches_the_gate_and_a_look_back_tells_nobody(
    backend, on_volume, volume, gateway, chat, moved
):
    url, heard = chat
    backend.environment = {NOTIFY_URL: url}
    package = on_volume(
        f"serving_log.uri={volume / 'darker'}",
        f"monitoring.pushgateway={gateway}",
        "kubeflow.parameters=[drift.min_requests, trainer.head.epochs]",
    )
    given = {"drift_min_requests": 1_000, "until": "2026-01-01"}
    done = backend.run(package, given, done=until_gate(moved))
    assert not failures(done)
    assert ran(done) & MARKS == {"Undecided"} and "drift.min_requests = 1000" in done["Undecided"].log
    assert found(backend, done)["settings"]["min_requests"] == 1_000
    assert heard == [] and held_by(gateway) == {}


def test_a_window_that_ends_earlier_is_looked_at(backend, on_volume, volume, moved):
    package = on_volume(f"serving_log.uri={volume / 'darker'}")
    kept = {"Champion": moved["Champion"]}
    done = backend.run(package, {"until": "2026-01-31"}, done=kept, only={"ServingLogGen"})
    assert not failures(done)
    log = json.loads((backend.artifact(done["ServingLogGen"], "report") / "log.json").read_text())
    assert (log["days"][0], log["days"][-1], log["num_files"]) == ("2026-01-25", "2026-01-31", 0)


def test_an_alert_starts_one_training_run_of_the_newest_version(backend, on_volume, volume, server, moved, tmp_path):
    package = on_volume(
        f"serving_log.uri={volume / 'darker'}", "drift.on_alert=train", f"kubeflow.endpoint={server.url}"
    )
    gate = {name: one for name, one in moved.items() if name not in {*MARKS, "Ended"}}

    # Nobody uploaded a training pipeline yet.
    done = backend.run(package, done=dict(gate))
    assert done["Train"].state == "FAILED" and ran(done) & MARKS == {"Drift"}
    assert "upload it once with `frostgate submit` or `frostgate schedule create`" in done["Train"].log
    assert "Traceback" not in done["Train"].log and "digits, requests, run a-run, failed." in done["Ended"].log

    for seed in (1, 2):
        submitted(server, tmp_path, seed)
    server.runs[1:] = []
    done = backend.run(package, done=dict(gate))
    assert not failures(done)
    _, new = server.runs
    assert (new["display_name"], new["experiment_id"]) == ("digits after a-run", "watching")
    assert new["pipeline_version_reference"]["pipeline_version_id"] == server.versions[-1]["pipeline_version_id"]
    assert (new["service_account"], new["runtime_config"]["pipeline_root"]) == ("frostgate", "s3://root")
    assert f"A training run was started: {server.url}/#/runs/details/{new['run_id']}" in done["Train"].log

    done = backend.run(package, done=dict(gate))
    assert len(server.runs) == 2 and "was started before" in done["Train"].log


def submitted(server, folder, seed):
    """Uploads a training pipeline as a user does."""
    from pipeline.cli.main import app

    path = folder / "training.yaml"
    root: dict[str, dict] = {"inputDefinitions": {"parameters": {}}, "dag": {"tasks": {}}}
    spec = {"pipelineInfo": {"name": "digits"}, "components": {}, "root": root, "seed": seed}
    path.write_text(yaml.safe_dump(spec))
    done = CliRunner().invoke(app, ["submit", str(path), "--endpoint", server.url, "--no-wait"])
    assert done.exit_code == 0, done.output


def test_requests_like_the_reference_are_quiet_and_start_nothing(
    backend, on_volume, volume, ask, gateway, chat, server, moved
):
    url, heard = chat
    ask(volume / "same", same, UNCHANGED, pictures=False)
    backend.environment = {NOTIFY_URL: url}
    package = on_volume(
        f"serving_log.uri={volume / 'same'}",
        f"monitoring.pushgateway={gateway}",
        "drift.on_alert=train",
        f"kubeflow.endpoint={server.url}",
    )
    done = backend.run(package, done={name: one for name, one in moved.items() if name == "Champion"})
    assert not failures(done)
    assert ran(done) & {*MARKS, "Train"} == {"Quiet"} and "requests look like" in done["Quiet"].log
    told = held_by(gateway)
    assert told["frostgate_monitoring_status", "digits", "quiet"] == 1
    assert told["frostgate_drift_alert", "mean_red", "digits"] == 0
    assert heard == [] and server.requests == []


def test_without_a_champion_the_look_is_refused_with_one_sentence(backend, on_volume, tmp_path, gateway, chat):
    url, heard = chat
    backend.environment = {NOTIFY_URL: url}
    (tmp_path / "log").mkdir()
    package = on_volume(
        f"serving_log.uri={tmp_path / 'log'}", f"kubeflow.mount={tmp_path}", f"monitoring.pushgateway={gateway}"
    )
    done = backend.run(package)
    assert (done["Champion"].state, done["ServingLogGen"].state) == ("COMPLETE", "FAILED")
    assert "frostgate: digits has no champion yet" in done["ServingLogGen"].log
    assert "Traceback" not in done["ServingLogGen"].log
    assert {done[name].state for name in MARKS} == {"OMITTED"}
    told = held_by(gateway)
    assert told["frostgate_monitoring_status", "digits", "failed"] == 1
    assert "frostgate_run_status" not in {key[0] for key in told}
    assert heard == [{"text": "digits, requests, run a-run, failed."}]
