"""The stand-in for the backend refuses what the real one does; on steps of a line of Python."""

import pytest
import yaml

from tests.kubeflow.backend import LOGS, Backend

ARTIFACT = {"artifactType": {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"}}


def package(folder, made, retry=None):
    """A pipeline of a step that makes `one`, and a step that takes it under every name that is given."""
    takes = {name: {"taskOutputArtifact": {"producerTask": "First", "outputArtifactKey": "one"}} for name in made}
    components = {
        "comp-First": {"executorLabel": "exec-First", "outputDefinitions": {"artifacts": {"one": ARTIFACT}}},
        "comp-Second": {
            "executorLabel": "exec-Second",
            "inputDefinitions": {"artifacts": dict.fromkeys(made, ARTIFACT)},
        },
    }
    code = {"exec-First": "print('made')", "exec-Second": "import sys; print('taken'); sys.exit(1)"}
    spec = {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "two-steps"},
        "components": components,
        "deploymentSpec": {
            "executors": {
                label: {"container": {"image": "any", "command": ["python", "-c"], "args": [text]}}
                for label, text in code.items()
            }
        },
        "root": {
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
            }
        },
    }
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
