"""The step that starts a training run, against a server that speaks the real interface."""

import pytest

from pipeline.runners.kubeflow import trigger
from tests.kubeflow import server as api

LOOK = {
    "run_id": "look-2", "display_name": "cats-monitoring", "experiment_id": "watching", "state": "RUNNING",
    "service_account": "frostgate", "runtime_config": {"pipeline_root": "s3://root"},
}  # fmt: skip


@pytest.fixture
def server():
    with api.serving() as running:
        running.runs.append(dict(LOOK))
        running.pipelines.append({"display_name": "cats", "pipeline_id": "p1"})
        for number in (1, 2, 3):
            running.versions.append({
                "display_name": f"cats-{number}", "pipeline_id": "p1", "pipeline_version_id": f"v{number}",
                "created_at": f"2026-01-0{(2, 3, 1)[number - 1]}T00:00:00Z",
            })  # fmt: skip
        yield running


@pytest.fixture(autouse=True)
def nothing_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KF_PIPELINES_SA_TOKEN_PATH", raising=False)
    monkeypatch.setattr("pipeline.runners.kubeflow.endpoint._WAIT_BETWEEN_TRIES", (0.0, 0.0))


def train(server, run="look-2"):
    return trigger.main(["--endpoint", server.url, "--pipeline", "cats", "--run", run])


def started(server):
    return [one for one in server.runs if one["display_name"].startswith("cats after ")]


def earlier(server, state, name="cats after look-1"):
    server.runs.append({"run_id": name, "display_name": name, "experiment_id": "watching", "state": state})


def test_the_newest_version_runs_as_the_look_does(server, capsys):
    assert train(server) == 0
    (run,) = started(server)
    assert run["pipeline_version_reference"] == {"pipeline_id": "p1", "pipeline_version_id": "v2"}
    assert (run["display_name"], run["experiment_id"]) == ("cats after look-2", "watching")
    assert (run["service_account"], run["runtime_config"]["pipeline_root"]) == ("frostgate", "s3://root")
    assert capsys.readouterr().out == f"A training run was started: {server.url}/#/runs/details/{run['run_id']}\n"


def test_a_look_at_the_past_starts_none(server, capsys):
    told = ["--endpoint", server.url, "--pipeline", "cats", "--run", "look-2"]
    assert trigger.main([*told, "--until=2026-01-01"]) == 0 and not started(server)
    assert "starts no training run" in capsys.readouterr().out
    assert trigger.main([*told, "--until="]) == 0 and len(started(server)) == 1


def test_a_step_that_is_tried_again_starts_no_second_run(server, capsys):
    """The server starts the run and is gone before it says so."""
    server.faults = [api.Fault("POST .*/runs$", status=503, before=lambda: earlier(server, None, "cats after look-2"))]
    assert train(server) == 1
    assert "starting the run failed with 503" in capsys.readouterr().err
    assert train(server) == 0
    assert len(started(server)) == 1 and "was started before" in capsys.readouterr().out


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", None])
def test_while_a_training_that_an_alert_started_goes_on_no_other_is_started(server, capsys, state):
    for _ in range(150):
        earlier(server, "SUCCEEDED", "cats after an earlier one")
    earlier(server, state)
    assert train(server) == 0
    assert len(started(server)) == 151 and "goes on, so none is started" in capsys.readouterr().out


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_after_it_and_beside_another_pipelines_there_is_another(server, state):
    earlier(server, state)
    earlier(server, "RUNNING", "big cats after look-1")
    assert train(server) == 0 and len(started(server)) == 2


@pytest.mark.parametrize("there", ["no pipeline", "no version"])
def test_without_a_training_pipeline_it_is_one_sentence(server, capsys, there):
    server.versions.clear()
    if there == "no pipeline":
        server.pipelines.clear()
    assert train(server) == 2
    told = capsys.readouterr().err
    assert f"{server.url} has none of this name" in told and "`frostgate schedule create`" in told
    assert told.count("\n") == 1 and started(server) == []


def test_a_server_that_refuses_is_one_sentence(server, capsys):
    server.faults = [api.Fault("POST .*/runs$", status=403, message="no right to create runs")]
    assert train(server) == 2
    told = capsys.readouterr().err
    assert "no right to create runs" in told and "kubeflow/manifests" in told and told.count("\n") == 1


def test_no_server_is_one_sentence(capsys):
    assert trigger.main(["--endpoint", "http://127.0.0.1:9", "--pipeline", "cats", "--run", "look-2"]) == 1
    told = capsys.readouterr().err
    assert "no answer" in told and told.count("\n") == 1


def test_a_pods_token_is_sent_where_there_is_one(server, tmp_path, monkeypatch, capsys):
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    assert train(server) == 0
    assert all(one.headers.get("authorization") == "Bearer secret" for one in server.made("POST", "/runs"))
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "nowhere"))
    assert train(server, "look-2") == 2 and "must name a file with a token" in capsys.readouterr().err
