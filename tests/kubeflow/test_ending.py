"""The step after the run, told to a real server."""

import json

import pytest

from components.monitoring.webhook import NOTIFY_URL
from pipeline.runners.kubeflow import ending
from tests.kubeflow import server as api
from tests.servers import held_by

NOBODY = ("--endpoint", "http://127.0.0.1:9")
RUN = ("--pipeline", "cats", "--run", "r1", *NOBODY, "--status")
BROKE_OFF = "broke off: a step was killed, ran out of time or could not start, or the run was stopped."


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ending, "_ASK_AFTER_SECONDS", (0.0, 0.0))
    monkeypatch.setattr("pipeline.runners.kubeflow.endpoint._WAIT_BETWEEN_TRIES", (0.0, 0.0))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"state": "COMPLETE"}, "cats, run r1, is over."),
        ({"state": "FAILED", "error": {}}, "cats, run r1, failed."),
        ({"state": "FAILED", "error": {"message": "out of memory"}}, "cats, run r1, failed: out of memory."),
        ({"state": "CANCELED"}, "cats, run r1, was cancelled."),
        ({"state": "RUNNING", "error": {}}, f"cats, run r1, {BROKE_OFF}"),
        ({"state": "SUCCEEDED"}, "cats, run r1, is over."),
        ({}, "cats, run r1, ended as unknown."),
    ],
)
def test_a_line_says_how_the_run_ended_and_is_sent(chat, monkeypatch, capsys, status, said):
    url, heard = chat
    monkeypatch.setenv(NOTIFY_URL, url)
    assert ending.main([*RUN, json.dumps(status)]) == 0
    assert capsys.readouterr().out.strip() == said and heard == [{"text": said}]


@pytest.mark.parametrize(("state", "lines"), [("COMPLETE", 0), ("CACHED", 0), ("FAILED", 1), ("RUNNING", 1)])
def test_after_a_mere_look_only_what_broke_off_is_told(chat, monkeypatch, gateway, state, lines):
    url, heard = chat
    monkeypatch.setenv(NOTIFY_URL, url)
    told = [*RUN, json.dumps({"state": state}), "--pushgateway", gateway, "--only-broken-off"]
    assert ending.main(told) == 0 and len(heard) == lines
    assert bool(held_by(gateway)) == bool(lines)


def test_nobody_is_told_where_nobody_wants_to_know(chat, monkeypatch):
    monkeypatch.delenv(NOTIFY_URL, raising=False)
    assert ending.main([*RUN, "{}"]) == 0 and chat[1] == []


@pytest.mark.parametrize("place", ["/broken", ":bad", None])
def test_a_server_that_does_not_take_it_fails_the_step_and_its_address_is_not_printed(chat, monkeypatch, capsys, place):
    secret = "http://127.0.0.1:9/secret" if place is None else f"{chat[0]}{place}" if place[0] == "/" else "no-address"
    monkeypatch.setenv(NOTIFY_URL, secret)
    assert ending.main([*RUN, "{}"]) == 1
    told = capsys.readouterr().err
    assert "must take a POST of JSON" in told and secret not in told


@pytest.mark.parametrize(
    ("state", "status", "exit_code"),
    [("FAILED", "failed", 1), ("RUNNING", "failed", 1), ("UNKNOWN", "failed", 1), ("CANCELED", "interrupted", 143)],
)
def test_a_gateway_hears_of_a_run_that_broke_off(gateway, state, status, exit_code):
    assert ending.main([*RUN, json.dumps({"state": state}), "--pushgateway", gateway]) == 0
    found = held_by(gateway)
    assert found["frostgate_run_status", "cats", status] == 1
    assert found["frostgate_run_exit_code", "cats"] == exit_code and found["frostgate_run_pushed", "cats"] == 0
    assert found["frostgate_run_ended_timestamp_seconds", "cats"] > 1e9
    assert sum(value for key, value in found.items() if key[0] == "frostgate_run_status") == 1


def test_a_run_that_is_over_told_the_gateway_itself(gateway):
    assert ending.main([*RUN, json.dumps({"state": "COMPLETE"}), "--pushgateway", gateway]) == 0
    assert held_by(gateway) == {}


def test_a_gateway_that_does_not_answer_does_not_fail_the_step(chat, monkeypatch, capsys):
    url, heard = chat
    monkeypatch.setenv(NOTIFY_URL, url)
    assert ending.main([*RUN, '{"state": "FAILED"}', "--pushgateway", "http://127.0.0.1:9"]) == 0
    assert "did not take the run's metrics" in capsys.readouterr().err and len(heard) == 1


LOOK = ("--pipeline", "cats", "--look", "--run", "r1", *NOBODY, "--status")


def going_on(**states):
    """A run whose last step is at work, as the API has it."""
    tasks = [{"display_name": name, "state": state} for name, state in states.items()]
    return {"run_id": "r1", "state": "RUNNING", "run_details": {"task_details": tasks}}


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ({"RegistryPush": "SUCCEEDED", "Pushed": "SUCCEEDED", "Blocked-driver": "SUCCEEDED"}, "is over."),
        ({"Blocked": "SUCCEEDED", "Pushed": "SKIPPED"}, "is over."),
        ({"Unchanged": "SUCCEEDED"}, "is over."),
        ({"Drift": "SUCCEEDED", "Train": "SUCCEEDED"}, "is over."),
        ({"Quiet": "SUCCEEDED", "Train": "SKIPPED"}, "is over."),
        ({"Drift": "SUCCEEDED", "Train": "FAILED"}, BROKE_OFF),
        ({"Drift": "SUCCEEDED", "Train": "RUNNING"}, BROKE_OFF),
        ({"Trainer": "FAILED", "Evaluator-train": "SUCCEEDED"}, BROKE_OFF),
        ({"RegistryPush": "SUCCEEDED", "Pushed": "FAILED"}, BROKE_OFF),
        ({}, BROKE_OFF),
    ],
    ids=str,
)
def test_a_run_that_came_to_its_decision_did_not_break_off(chat, gateway, monkeypatch, capsys, states, said):
    url, heard = chat
    monkeypatch.setenv(NOTIFY_URL, url)
    with api.serving() as server:
        server.runs.append(going_on(**states))
        told = [*RUN, '{"state": "RUNNING"}', "--endpoint", server.url, "--pushgateway", gateway]
        assert ending.main(told) == 0
    assert heard == [{"text": f"cats, run r1, {said}"}]
    assert bool(held_by(gateway)) == (said == BROKE_OFF)


def test_the_api_may_hear_of_the_decision_later(capsys):
    with api.serving() as server:
        server.runs.append({"run_id": "r1"})
        server.history += [going_on(), going_on(Pushed="SUCCEEDED")]
        assert ending.main([*RUN, '{"state": "RUNNING"}', "--endpoint", server.url]) == 0
    assert capsys.readouterr().out == "cats, run r1, is over.\n"


def test_a_decision_is_found_where_the_task_list_stopped_early(capsys):
    nodes = {"1": {"displayName": "Pushed", "phase": "Succeeded"}, "2": {"displayName": "Held", "phase": "Skipped"}}
    with api.serving() as server:
        server.runs.append(going_on(Trainer="RUNNING"))
        server.workflow = json.dumps({"status": {"nodes": nodes}})
        assert ending.main([*RUN, '{"state": "RUNNING"}', "--endpoint", server.url]) == 0
    assert capsys.readouterr().out == "cats, run r1, is over.\n"


def test_the_task_list_is_enough_where_the_older_interface_is_in_trouble(capsys):
    with api.serving() as server:
        server.runs.append(going_on(Pushed="SUCCEEDED"))
        server.faults = [api.Fault("GET /apis/v1beta1/", status=500, times=9)]
        assert ending.main([*RUN, '{"state": "RUNNING"}', "--endpoint", server.url]) == 0
    assert capsys.readouterr().out == "cats, run r1, is over.\n"


def test_people_hear_of_a_run_whatever_the_client_stumbles_over(capsys, monkeypatch):
    def stumble(address):
        raise TypeError("an answer of another shape")

    monkeypatch.setattr("pipeline.runners.kubeflow.endpoint.from_a_pod", stumble)
    assert ending.main([*RUN, '{"state": "RUNNING"}']) == 0
    told = capsys.readouterr()
    assert BROKE_OFF in told.out and "could not be asked how the run ended (TypeError)" in told.err


def test_where_the_api_does_not_answer_the_run_broke_off(capsys):
    assert ending.main([*RUN, '{"state": "RUNNING"}']) == 0
    told = capsys.readouterr()
    assert BROKE_OFF in told.out and "no answer" in told.err and told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("state", "status"), [("FAILED", "failed"), ("RUNNING", "failed"), ("CANCELED", "interrupted")]
)
def test_a_look_that_broke_off_says_nothing_of_the_training(gateway, state, status):
    assert ending.main([*RUN, '{"state": "FAILED"}', "--pushgateway", gateway]) == 0
    before = {key: value for key, value in held_by(gateway).items() if "_run_" in key[0]}
    assert ending.main([*LOOK, json.dumps({"state": state}), "--until=", "--pushgateway", gateway]) == 0
    found = held_by(gateway)
    assert found["frostgate_monitoring_status", "cats", status] == 1
    assert found["frostgate_monitoring_ended_timestamp_seconds", "cats"] > 1e9
    assert before.items() <= found.items() and "frostgate_drift_alert" not in {key[0] for key in found}


@pytest.mark.parametrize(
    ("state", "until", "heard_of"),
    [
        *[("FAILED", "", "failed."), ("RUNNING", "", BROKE_OFF), ("CANCELED", "", None), ("COMPLETE", "", None)],
        *[("FAILED", "2026-01-01", None), ("RUNNING", "2026-01-01", None)],
    ],
)
def test_people_hear_of_a_look_that_failed_or_broke_off_today(
    chat, gateway, monkeypatch, capsys, state, until, heard_of
):
    url, heard = chat
    monkeypatch.setenv(NOTIFY_URL, url)
    assert ending.main([*LOOK, json.dumps({"state": state}), f"--until={until}", "--pushgateway", gateway]) == 0
    assert heard == ([{"text": f"cats, requests, run r1, {heard_of}"}] if heard_of else [])
    assert "cats, requests, run r1, " in capsys.readouterr().out
    if until:
        assert held_by(gateway) == {}
