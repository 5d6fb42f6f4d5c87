"""The stand-in for the backend refuses what the real one does; on steps of a line of Python."""

import pytest
import yaml

from components.monitoring.webhook import NOTIFY_URL
from pipeline.runners.kubeflow.ending import add_end
from tests.kubeflow.backend import LOGS, Backend, Killed
from tests.servers import held_by

BROKE_OFF = "broke off: a step was killed, ran out of time or could not start, or the run was stopped"
ARTIFACT = {"artifactType": {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"}}


def package(folder, made, retry=None, code="import sys; print('taken'); sys.exit(1)", gateway=None):
    """A pipeline of a step that makes `one`, and a step that takes it under every name that is given.

    With a gateway there is the step after the run, too.
    """
    takes = {name: {"taskOutputArtifact": {"producerTask": "First", "outputArtifactKey": "one"}} for name in made}
    components = {
        "comp-First": {"executorLabel": "exec-First", "outputDefinitions": {"artifacts": {"one": ARTIFACT}}},
        "comp-Second": {
            "executorLabel": "exec-Second",
            "inputDefinitions": {"artifacts": dict.fromkeys(made, ARTIFACT)},
        },
    }
    texts = {"exec-First": "print('made')", "exec-Second": code}
    spec = {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "two-steps"},
        "components": components,
        "deploymentSpec": {
            "executors": {
                label: {"container": {"image": "any", "command": ["python", "-c"], "args": [text]}}
                for label, text in texts.items()
            }
        },
        "root": {
            "inputDefinitions": {"parameters": {}},
            "dag": {
                "tasks": {
                    "First": {"componentRef": {"name": "comp-First"}},
                    "Second": {
                        "componentRef": {"name": "comp-Second"},
                        "dependentTasks": ["First"],
                        "inputs": {"artifacts": takes},
                        "retryPolicy": retry or {},
                    },
                }
            },
        },
    }
    if gateway:
        add_end(
            spec,
            "comp-",
            "exec-",
            {"image": "any"},
            "http://127.0.0.1:9",
            gateway,
            "training",
            ["--pipeline", "cats"],
            [],
        )
    path = folder / "two-steps.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def test_a_task_that_takes_an_artifact_twice_fails_in_its_driver(tmp_path):
    done = Backend(tmp_path).run(package(tmp_path, ["first", "second"]))
    assert (done["Second"].state, done["Second"].attempts) == ("RUNNING", 0), "nobody writes the state down"
    assert "driver" in done["Second"].log
    assert Backend(tmp_path).run(package(tmp_path, ["first"]))["Second"].attempts == 1


@pytest.mark.parametrize(("longest", "attempts"), [({}, 1), ({"backoffMaxDuration": "900s"}, 3)])
def test_a_step_is_tried_again_only_where_a_longest_time_is_given(tmp_path, longest, attempts):
    policy = {"maxRetryCount": 2, "backoffDuration": "60s", "backoffFactor": 2.0, **longest}
    done = Backend(tmp_path).run(package(tmp_path, ["first"], policy))
    assert (done["Second"].state, done["Second"].attempts) == ("FAILED", attempts)
    assert ("Max duration limit exceeded" in done["Second"].log) == (attempts == 1)


def test_what_a_step_prints_is_an_output_that_the_driver_added(tmp_path):
    backend = Backend(tmp_path)
    done = backend.run(package(tmp_path, ["first"]))
    printed = backend.artifact(done["First"], LOGS)
    assert (printed.name, printed.read_text()) == ("executor-logs-0", "made\n")


@pytest.mark.parametrize(
    ("code", "killed", "said", "status"),
    [
        ("pass", False, "is over", None),
        ("raise SystemExit(1)", False, "failed", "failed"),
        (
            "pass",
            True,
            "broke off: a step was killed, ran out of time or could not start, or the run was stopped",
            "failed",
        ),
    ],
)
def test_everybody_hears_how_a_run_ended_also_where_a_pod_died(tmp_path, chat, gateway, code, killed, said, status):
    def before(task, attempt):
        if killed and task == "Second":
            raise Killed

    url, heard = chat
    backend = Backend(tmp_path, environment={NOTIFY_URL: url}, before=before)
    done = backend.run(package(tmp_path, ["first"], code=code, gateway=gateway))
    assert done["Ended"].state == "COMPLETE", done["Ended"].log
    assert [one["text"] for one in heard] == [f"cats, run a-run, {said}."]
    told = {key[2] for key, value in held_by(gateway).items() if key[0] == "frostgate_run_status" and value}
    assert told == ({status} if status else set())
