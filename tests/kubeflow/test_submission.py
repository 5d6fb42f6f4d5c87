"""`frostgate submit` and `schedule` against a server that speaks the real interface."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from components.errors import DataRefused, safe
from pipeline.cli.main import app
from pipeline.runners.kubeflow.endpoint import EndpointUnavailable
from tests.kubeflow import server as api

RECORDED = Path(__file__).parent / "recorded"
COMMITTED = Path(__file__).parents[2] / "kubeflow" / "training.yaml"
MARKS = ("Pushed", "Blocked", "Held", "Quiet", "Drift", "Undecided")
PACKAGE: dict[str, Any] = {
    "pipelineInfo": {"name": "digits"},
    "schemaVersion": "2.1.0",
    "components": {
        "comp-Trainer": {"executorLabel": "exec-Trainer"},
        "comp-training": {"dag": {"tasks": {name: {} for name in ("Trainer", "PushGate", "ServingLogGen", *MARKS)}}},
    },
    "root": {
        "dag": {"tasks": {name: {} for name in ("News", "Unchanged", "NewsEnded", "training", "monitoring", "Ended")}},
        "inputDefinitions": {
            "parameters": {
                "data_uri": {"parameterType": "STRING", "defaultValue": "s3://bucket/a"},
                "data_span": {"parameterType": "NUMBER_INTEGER", "defaultValue": 0},
                "gate_max_mode_gap": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.05},
            }
        },
    },
}


@pytest.fixture
def server():
    with api.serving() as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "training.yaml"
    path.write_text(yaml.safe_dump(PACKAGE))
    return path


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("pipeline.runners.kubeflow.endpoint._WAIT_BETWEEN_TRIES", (0.0, 0.0))


def frostgate(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def submit(server, package, *more):
    return frostgate("submit", package, "--endpoint", server.url, "--every", 0, *more)


def schedule(server, action, *more):
    return frostgate("schedule", action, *more, "--endpoint", server.url)


def steps(**states):
    return {
        "task_details": [{"display_name": name.replace("_", "-"), "state": state} for name, state in states.items()]
    }


def ending(state, **states):
    return [
        {"state": "RUNNING", "run_details": steps(Trainer="RUNNING")},
        {"state": state, "run_details": steps(**states)},
    ]


VERDICTS = {"Pushed": ("pushed", 0), "Blocked": ("blocked", 3), "Held": ("held", 4)}
LOOKS = {"Quiet": ("quiet", 0), "Drift": ("drift", 3), "Undecided": ("undecided", 4)}


@pytest.mark.parametrize(
    ("ran", "code", "status", "among"),
    [(ran, code, status, one) for one in (VERDICTS, LOOKS) for ran, (status, code) in one.items()],
)
def test_a_run_ends_with_the_exit_code_of_its_verdict(server, package, ran, code, status, among):
    skipped = dict.fromkeys(set(among) - {ran}, "SKIPPED")
    server.history = ending("SUCCEEDED", Trainer="SUCCEEDED", **skipped, **{ran: "SUCCEEDED"})
    done = submit(server, package, "--json")
    assert done.exit_code == code, done.output
    assert json.loads(done.stdout)["status"] == status
    assert "Trainer: running" in done.stderr and f"{ran}: succeeded" in done.stderr


def test_a_run_that_had_nothing_new_is_a_success_that_says_so(server, package):
    server.history = ending("SUCCEEDED", News="SUCCEEDED", Unchanged="SUCCEEDED", training="SKIPPED")
    done = submit(server, package, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["status"]) == (0, "unchanged"), done.output
    assert "the step Unchanged names" in told["message"] and "--param again=true" in told["message"]
    assert "Unchanged: succeeded" in done.stderr and "training: skipped" in done.stderr


@pytest.mark.parametrize("state", ["FAILED", "SUCCEEDED"])
def test_a_run_whose_look_for_news_failed_names_that_step_even_where_the_backend_calls_the_run_a_success(
    server, package, state
):
    server.history = ending(state, News="FAILED", NewsEnded="SUCCEEDED", Unchanged="OMITTED", training="OMITTED")
    done = submit(server, package)
    assert done.exit_code == 1 and "failed at News." in done.stdout


def test_a_run_without_a_decision_is_no_success(server, package):
    server.history = ending("SUCCEEDED", Trainer="SUCCEEDED")
    done = submit(server, package)
    assert done.exit_code == 1 and "the server shows no decision" in done.stdout


def test_a_failed_run_names_the_step(server, package):
    server.history = ending("FAILED", **{"Trainer": "FAILED", "Trainer_driver": "FAILED", "PushGate": "SKIPPED"})
    done = submit(server, package)
    assert done.exit_code == 1 and "failed at Trainer." in done.stdout


def test_a_look_that_failed_names_its_step_and_not_its_graph(server, package):
    server.history = ending("FAILED", **{"monitoring": "FAILED", "ServingLogGen": "FAILED", "Drift": "OMITTED"})
    done = submit(server, package)
    assert done.exit_code == 1 and "failed at ServingLogGen." in done.stdout


def workflow(is_compressed, **phases):
    """A run's Argo workflow: what the backend makes of each step, and the nodes compressed where they are many."""
    nodes: dict[str, dict[str, str]] = {}
    for name, phase in phases.items():
        driver = "Succeeded" if phase != "Omitted" else "Omitted"
        every = [(f"{name}-driver", driver), (f"{name}-driver(0)", driver), (name, phase), (f"{name}(0)", phase)]
        for shown, state in [*every, ("executor", phase), ("executor(0)", "Failed" if name == "Trainer" else phase)]:
            nodes[f"digits-{len(nodes)}"] = {"displayName": shown, "phase": state}
    packed = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
    return json.dumps(
        {"status": {"phase": "Succeeded"} | ({"compressedNodes": packed} if is_compressed else {"nodes": nodes})}
    )


@pytest.mark.parametrize("is_compressed", [True, False])
@pytest.mark.parametrize("ran", VERDICTS)
def test_the_verdict_is_told_of_a_run_whose_task_list_stopped_early(server, ran, is_compressed):
    """The server's recorded answer for a run that is over: the list of its tasks stayed at `Trainer RUNNING`."""
    server.history = [json.loads((RECORDED / "run-ended-pushed.json").read_text())]
    marks = dict.fromkeys(VERDICTS, "Skipped") | {ran: "Succeeded"}
    server.workflow = workflow(is_compressed, Trainer="Succeeded", PushGate="Succeeded", **marks)
    done = submit(server, COMMITTED, "--json")
    told = json.loads(done.stdout)
    status, code = VERDICTS[ran]
    assert (done.exit_code, told["status"]) == (code, status), done.output
    assert told["steps"]["Trainer"] == told["steps"][ran] == "SUCCEEDED"


def test_steps_are_told_by_the_packages_names_and_every_change_once(server):
    recorded = json.loads((RECORDED / "run-ended-pushed.json").read_text())
    server.history = [recorded | {"state": "RUNNING"}] * 3 + [recorded]
    server.workflow = workflow(True, Trainer="Succeeded", PushGate="Succeeded", Pushed="Succeeded", Held="Omitted")
    done = submit(server, COMMITTED)
    lines = [line for line in done.stderr.splitlines() if line.startswith("  ")]
    names = {line.split(":")[0].strip() for line in lines}
    tasks = yaml.safe_load(COMMITTED.read_text().split("\n---\n")[0])["components"]["comp-training"]["dag"]["tasks"]
    assert names <= {*tasks, "training", "Ended"} and {"Transform", "Backbone", "Trainer", "Pushed"} <= names
    assert len(lines) == len(set(lines)), "a change is told once"
    assert "  Trainer: running" in lines and "  Trainer: succeeded" in lines and "  Held: omitted" in lines
    assert not any("pending" in line for line in lines)


@pytest.mark.parametrize("shown", ["", "{", "{}", '{"status": {"compressedNodes": "bm90IGd6aXA="}}', '{"status": []}'])
def test_a_run_whose_decision_nobody_shows_is_no_success(server, shown):
    server.history = [json.loads((RECORDED / "run-ended-pushed.json").read_text())]
    server.workflow = shown
    done = submit(server, COMMITTED)
    assert done.exit_code == 1 and "the server shows no decision" in done.stdout


def test_a_server_without_the_older_interface_is_no_error(server):
    server.history = [json.loads((RECORDED / "run-ended-pushed.json").read_text())]
    server.faults = [api.Fault("GET /apis/v1beta1", status=404, times=9)]
    done = submit(server, COMMITTED)
    assert done.exit_code == 1 and "the server shows no decision" in done.stdout


def test_a_step_whose_driver_failed_is_named(server, package):
    server.history = ending("FAILED", Trainer="SUCCEEDED", PushGate_driver="FAILED")
    done = submit(server, package)
    assert done.exit_code == 1 and "failed at PushGate." in done.stdout


def test_a_cancelled_run_is_an_interrupted_one(server, package):
    server.history = ending("CANCELED")
    assert submit(server, package).exit_code == 130


def test_what_is_sent_is_what_was_asked_for(server, package):
    server.history = ending("SUCCEEDED", Pushed="SUCCEEDED")
    told = ("--param", "data_uri=gs://other", "--param", "data_span=7", "--param", "gate_max_mode_gap=0.1")
    done = submit(
        server,
        package,
        *told,
        "--pipeline-root",
        "s3://root",
        "--service-account",
        "trainer",
        "--experiment",
        "nightly",
    )
    assert done.exit_code == 0, done.output
    (run,) = server.made("POST", "/runs")
    assert run.body["runtime_config"] == {
        "parameters": {"data_uri": "gs://other", "data_span": 7, "gate_max_mode_gap": 0.1},
        "pipeline_root": "s3://root",
    }
    assert run.body["service_account"] == "trainer"
    assert server.experiments[0]["display_name"] == "nightly"
    (uploaded,) = server.made("POST", "upload_version")
    assert package.read_text() in uploaded.body["raw"]
    reference = run.body["pipeline_version_reference"]
    assert reference["pipeline_version_id"] == server.versions[0]["pipeline_version_id"]


def test_the_same_file_is_uploaded_once_and_another_is_another_version(server, package):
    server.history = [{"state": "SUCCEEDED", "run_details": steps(Pushed="SUCCEEDED")}]
    for _ in range(2):
        assert submit(server, package).exit_code == 0
    assert (len(server.pipelines), len(server.versions), len(server.runs)) == (1, 1, 2)
    package.write_text(package.read_text() + "\n# another\n")
    assert submit(server, package).exit_code == 0
    names = [one["display_name"] for one in server.versions]
    assert len(set(names)) == 2 and all(name.startswith("digits-") for name in names)


def test_somebody_who_uploads_at_the_same_time_is_no_error(server, package):
    def faster():
        server.pipelines.append({"display_name": "digits", "pipeline_id": "theirs"})

    server.faults = [api.Fault("POST .*/pipelines$", status=409, before=faster)]
    server.history = ending("SUCCEEDED", Pushed="SUCCEEDED")
    assert submit(server, package).exit_code == 0
    assert server.versions[0]["pipeline_id"] == "theirs"


def test_a_token_travels_as_a_bearer(server, package, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    server.history = ending("SUCCEEDED", Pushed="SUCCEEDED")
    assert submit(server, package, "--token-file", tmp_path / "token").exit_code == 0
    assert all(one.headers.get("authorization") == "Bearer secret" for one in server.made("POST", "/runs"))


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "Log in"), (403, "namespace"), (404, "Check the endpoint"), (409, "another name"), (400, "Compile again")],
)
def test_a_refusal_is_one_sentence_and_is_not_repeated(server, package, status, advice):
    server.faults = [api.Fault("POST .*/runs$", status=status, message="because\nof this")]
    done = submit(server, package)
    assert isinstance(done.exception, DataRefused)
    text = str(done.exception)
    assert str(status) in text and "because" in text and advice in text and "\n" not in text
    assert len(server.made("POST", "/runs")) == 1


@pytest.mark.parametrize(("status", "advice"), [(401, "Log in"), (403, "namespace"), (404, "Check the endpoint")])
def test_a_server_that_refuses_everything_is_one_sentence_at_once(server, package, status, advice):
    server.faults = [api.Fault("", status=status, times=99)]
    done = submit(server, package)
    assert isinstance(done.exception, DataRefused) and advice in str(done.exception)
    assert len(server.requests) == 1 and "Traceback" not in done.output


@pytest.mark.parametrize("match", ["", "recurringruns"])
def test_a_login_page_is_no_answer(server, match):
    server.faults = [api.Fault(match, status=200, times=99, page="<html>Log in</html>")]
    done = schedule(server, "list", "--json")
    assert isinstance(done.exception, DataRefused) and "login page" in str(done.exception)
    assert done.stdout == ""


def test_a_server_that_stumbles_is_asked_again_but_a_run_is_started_once(server, package):
    server.history = ending("SUCCEEDED", Pushed="SUCCEEDED")
    server.faults = [api.Fault("GET .*/pipelines$", times=2), api.Fault("GET .*/runs/", status=503, times=1)]
    assert submit(server, package).exit_code == 0
    server.faults = [api.Fault("POST .*/runs$", status=500, times=9)]
    done = submit(server, package)
    assert isinstance(done.exception, EndpointUnavailable) and "500" in str(done.exception)
    assert len(server.runs) == 1 and len(server.made("POST", "/runs")) == 2


def test_a_server_that_does_not_answer_in_time_is_named(server, package, monkeypatch):
    monkeypatch.setattr("pipeline.runners.kubeflow.endpoint._TIMEOUT_SECONDS", 0.2)
    # More often than the client's own library asks again.
    server.faults = [api.Fault("GET .*/pipelines$", times=99, delay_seconds=1.0)]
    done = submit(server, package)
    assert isinstance(done.exception, EndpointUnavailable)
    assert "no answer" in str(done.exception)


def test_no_server_at_all_is_one_sentence(package):
    done = frostgate("submit", package, "--endpoint", "http://127.0.0.1:9", "--every", 0)
    assert isinstance(done.exception, EndpointUnavailable), done.output
    assert "no answer (Connection refused)" in str(done.exception.strerror).replace("[Errno 111] ", "")


def test_a_run_that_takes_too_long_goes_on(server, package):
    server.history = [{"state": "RUNNING", "run_details": steps(Trainer="RUNNING")}]
    done = submit(server, package, "--timeout", 0)
    assert isinstance(done.exception, EndpointUnavailable) and "goes on" in str(done.exception)


def test_nobody_waits_who_does_not_want_to(server, package):
    server.history = [{"state": "RUNNING"}]
    done = submit(server, package, "--no-wait", "--json")
    assert done.exit_code == 0 and not server.made("GET", "/runs/")
    assert json.loads(done.stdout)["run_id"] == server.runs[0]["run_id"]


@pytest.fixture
def looks(tmp_path):
    """A compiled monitoring pipeline whose run may be told its last day."""
    path = tmp_path / "monitoring.yaml"
    definitions = {"until": {"parameterType": "STRING", "defaultValue": ""}}
    document = PACKAGE | {"pipelineInfo": {"name": "digits-monitoring"}}
    root = PACKAGE["root"] | {"inputDefinitions": {"parameters": definitions}}
    path.write_text(yaml.safe_dump(document | {"root": root}))
    return path


@pytest.mark.parametrize("day", ["nonsense", "2026-02-30"])
def test_a_last_day_that_is_none_is_refused_before_anything_is_sent(server, looks, day):
    done = submit(server, looks, "--param", f"until={day}", "--dry-run")
    assert isinstance(done.exception, DataRefused) and f"received '{day}'" in str(done.exception)
    assert submit(server, looks, "--param", "until=2026-02-28", "--dry-run").exit_code == 0


def test_what_is_meant_for_one_run_is_not_scheduled(server, looks):
    done = schedule(server, "create", looks, "--cron", "0 0 3 * * *", "--param", "until=2026-02-28")
    assert isinstance(done.exception, DataRefused) and "Give it to `frostgate submit`" in str(done.exception)
    assert not server.recurring


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8888"])
@pytest.mark.parametrize("more", [("--dry-run",), ()])
def test_an_address_without_http_is_a_sentence(package, url, more):
    done = frostgate("submit", package, "--endpoint", url, *more)
    assert isinstance(done.exception, DataRefused)
    assert str(done.exception).startswith("--endpoint must begin with http:// or https://")


@pytest.mark.parametrize("more", [("--dry-run",), ()])
@pytest.mark.parametrize("url", ["http://ann:canary@127.0.0.1:1", "ann:ca/nary@127.0.0.1:1", "http://h?token=canary"])
def test_a_password_in_an_address_is_refused_and_not_shown(package, monkeypatch, url, more):
    done = frostgate("submit", package, "--endpoint", url, *more)
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", url)
    by_variable = frostgate("submit", package, *more)
    for one, source in ((done, "--endpoint"), (by_variable, "KF_PIPELINES_ENDPOINT")):
        assert isinstance(one.exception, DataRefused)
        assert str(one.exception).startswith(f"{source} must hold no password") and "--token-file" in str(one.exception)
        assert "nary" not in one.output + str(one.exception)


@pytest.mark.parametrize(
    "told",
    [
        ("--pipeline-root", "s3://KEY:it's c4n4ry@bucket/x"),
        ("--param", "data_uri=s3://KEY:it's c4n4ry@bucket/x"),
        ("--param", "data_span=s3://KEY:it's c4n4ry@bucket/x"),
        ("--param", "dat_uri=s3://KEY:it's c4n4ry@bucket/x"),
        ("--param", "data_uri: s3://KEY:it's c4n4ry@bucket/x"),
        ("--param", "s3://bucket/x?token=c4n4ry"),
    ],
)
def test_a_password_in_what_the_server_would_keep_is_refused_and_not_shown(server, package, told):
    for more in ((), ("--dry-run",)):
        done = submit(server, package, *told, *more)
        assert isinstance(done.exception, DataRefused) and server.requests == []
        assert "c4n4ry" not in done.output + repr(done.exception)


def test_a_token_is_not_said_by_a_server_that_repeats_it(server, package, tmp_path):
    (tmp_path / "token").write_text("t0k3n-c4n4ry\n")
    server.faults = [api.Fault("", status=401, times=99, message="Bearer t0k3n-c4n4ry is too old")]
    done = submit(server, package, "--token-file", tmp_path / "token")
    assert isinstance(done.exception, DataRefused) and "is too old" in str(done.exception)
    assert "c4n4ry" not in done.output + safe(str(done.exception))


def test_a_dry_run_says_what_would_be_sent_and_connects_to_nobody(server, package):
    done = submit(server, package, "--param", "data_span=3", "--dry-run")
    assert done.exit_code == 0 and server.requests == []
    told = json.loads(done.stdout)
    assert told["parameters"] == {"data_uri": "s3://bucket/a", "data_span": 3, "gate_max_mode_gap": 0.05}
    assert told["version"].startswith("digits-")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("data_spam=3", "did you mean data_span?"),
        ("data_span=three", "expected a whole number; received 'three'"),
        ("gate_max_mode_gap=x", "expected a number"),
        ("data_span", "expected name=value"),
    ],
)
def test_a_bad_parameter_is_one_sentence_before_anything_is_sent(server, package, text, sentence):
    done = submit(server, package, "--param", text)
    assert sentence in str(done.exception) and server.requests == []


def test_compiling_replaces_a_compiled_file_and_nothing_else(package, tmp_path):
    config = tmp_path / "kubeflow.yaml"
    config.write_text("name: cats\n")
    done = frostgate("compile", "--config", config, "-o", config)
    assert "Choose another name" in str(done.exception) and config.read_text() == "name: cats\n"


@pytest.mark.parametrize("content", [None, "", "a: [", "just text", "root: {}"])
def test_a_file_that_is_no_pipeline_is_refused(tmp_path, content):
    path = tmp_path / "other.yaml"
    if content is not None:
        path.write_text(content)
    done = frostgate("submit", path)
    assert "frostgate compile" in str(done.exception)


def test_a_schedule_is_created_as_a_training_pipeline_wants_it(server, package):
    done = schedule(server, "create", package, "--cron", "0 3 * * *", "--param", "data_span=7")
    assert done.exit_code == 0, done.exception
    assert "0 0 3 * * *" in done.stdout and "UTC" in done.stdout and "is new" in done.stdout
    (made,) = server.made("POST", "/recurringruns")
    assert made.body["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert (made.body["max_concurrency"], made.body["no_catchup"], made.body["mode"]) == (1, True, "ENABLE")
    assert made.body["runtime_config"]["parameters"] == {"data_span": 7}


def test_a_repeated_upsert_changes_nothing_and_another_replaces(server, package):
    create = (package, "--cron", "0 0 3 * * *")
    schedule(server, "create", *create)
    (first,) = server.recurring
    again = schedule(server, "create", *create)
    assert "as it was" in again.stdout and server.recurring == [first]
    other = schedule(server, "create", package, "--cron", "0 0 4 * * *")
    assert "replaces 1" in other.stdout
    (second,) = server.recurring
    assert second["recurring_run_id"] != first["recurring_run_id"]
    assert second["trigger"]["cron_schedule"]["cron"] == "0 0 4 * * *"


def test_an_interrupted_replacement_is_finished_by_the_next(server, package):
    schedule(server, "create", package, "--cron", "0 0 3 * * *")
    server.faults = [api.Fault("DELETE .*/recurringruns/", times=1)]
    broken = schedule(server, "create", package, "--cron", "0 0 4 * * *")
    assert isinstance(broken.exception, EndpointUnavailable) and len(server.recurring) == 2
    done = schedule(server, "create", package, "--cron", "0 0 4 * * *")
    assert done.exit_code == 0
    assert [one["trigger"]["cron_schedule"]["cron"] for one in server.recurring] == ["0 0 4 * * *"]


def test_a_paused_schedule_is_resumed_listed_and_deleted(server, package):
    schedule(server, "create", package, "--cron", "0 0 3 * * *", "--name", "nightly")
    assert schedule(server, "pause", "nightly").exit_code == 0
    assert "nightly  0 0 3 * * *  paused" in schedule(server, "list").stdout
    assert schedule(server, "resume", "nightly").exit_code == 0
    assert json.loads(schedule(server, "list", "--json").stdout)[0]["is_enabled"] is True
    assert schedule(server, "delete", "nightly").exit_code == 0
    assert "There are no schedules." in schedule(server, "list").stdout
    gone = schedule(server, "pause", "nightly")
    assert "There is no schedule nightly; there are none at all." in str(gone.exception)


def test_more_schedules_than_a_page_are_all_seen(server, package, monkeypatch):
    monkeypatch.setattr("pipeline.runners.kubeflow.endpoint._PAGE", 2)
    for name in "abcde":
        schedule(server, "create", package, "--cron", "0 0 3 * * *", "--name", name)
    listed = json.loads(schedule(server, "list", "--json").stdout)
    assert [one["name"] for one in listed] == list("abcde")


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        ("0 0 25 * * *", "the hour must be 0 to 23; received 25"),
        ("0 3 31 13 *", "the month must be 1 to 12; received 13"),
        ("0 3 * * 1-7", "the day-of-week must be 0 to 6; received 7"),
        ("*/5 60 3 * * *", "the minute must be 0 to 59; received 60"),
    ],
)
def test_a_time_that_never_comes_is_refused(server, package, cron, sentence):
    assert sentence in str(schedule(server, "create", package, "--cron", cron).exception)


@pytest.mark.parametrize("cron", ["*/90 0 3 ? JAN-MAR MON", "0 0,30 8-18/2 1 * 6"])
def test_what_the_backend_reads_is_left_alone(server, package, cron):
    assert schedule(server, "create", package, "--cron", cron).exit_code == 0
    assert server.recurring[0]["trigger"]["cron_schedule"]["cron"] == cron


@pytest.mark.parametrize("cron", ["", "* * *", "0 0 0 3 * * * *"])
def test_a_cron_of_other_length_is_refused_before_anything_is_sent(server, package, cron):
    done = schedule(server, "create", package, "--cron", cron)
    assert "six fields" in str(done.exception) and server.requests == []
