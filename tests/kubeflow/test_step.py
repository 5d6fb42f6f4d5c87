"""A step between the backend's messages and TFX's artifacts."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from components.artifacts import Verdict
from components.errors import ArtifactChanged
from components.monitoring.webhook import NOTIFY_URL
from pipeline.config_errors import ConfigRefused
from pipeline.runners.kubeflow import entrypoint, facts
from pipeline.runners.kubeflow.entrypoint import write_whole
from tests.canaries import WORD

pytestmark = pytest.mark.tfx

EXAMPLES = (
    "title: tfx.Examples\ntype: object\nproperties:\n  span:\n    type: integer\n  split_names:\n    type: string\n"
)
INPUTS = {
    "artifacts": {
        "examples": {"artifactType": {"instanceSchema": EXAMPLES}},
        "baseline": {"artifactType": {"instanceSchema": EXAMPLES}},
        "verdict": {"artifactType": {"instanceSchema": "title: frostgate.Verdict\ntype: object\n"}},
    },
    "parameters": {"image_size": {"parameterType": "NUMBER_INTEGER"}, "rate": {"parameterType": "NUMBER_DOUBLE"}},
}


def artifact(uri, metadata, **kind):
    return {"artifacts": [{"name": "17", "uri": uri, "metadata": metadata, "type": kind or {"instanceSchema": ""}}]}


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a step whose inputs are what the metadata store gives back."""
    from pipeline.runners.kubeflow.step import Step

    monkeypatch.setenv("FROSTGATE_LOCAL_ROOT", str(tmp_path))
    monkeypatch.delenv(facts.COMPILED, raising=False)

    def of(same=(), **changes):
        metadata = {
            "span": 7.0,
            "split_names": '["train", "eval"]',
            "display_name": "examples",
            "num": 3.0,
            "share": 0.5,
        }
        message = {
            "inputs": {
                "artifacts": {
                    "examples": artifact("minio://bucket/run/examples", metadata),
                    "verdict": artifact("s3://bucket/run/verdict", {"blessed": 1.0, "list": {"list": [1.0]}}),
                },
                "parameterValues": {"image_size": 32.0, "rate": 1.0},
            },
            "outputs": {
                "artifacts": {
                    "model": artifact("gs://bucket/run/model", {}, instanceSchema="title: tfx.Model\ntype: object\n"),
                    "page": artifact("gs://bucket/run/page", {}, schemaTitle="system.HTML"),
                },
                "outputFile": str(tmp_path / "task" / "output_metadata.json"),
            },
        } | changes
        for folder in ("minio/bucket/run/examples", "s3/bucket/run/verdict"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        return Step.read("Node", json.dumps(message), json.dumps(INPUTS), ["model", "page"], dict(same))

    return of


def test_addresses_are_those_that_the_launcher_uses(read, tmp_path):
    step = read()
    assert step.inputs["examples"][0].uri == f"{tmp_path}/minio/bucket/run/examples"
    assert step.inputs["verdict"][0].uri == f"{tmp_path}/s3/bucket/run/verdict"
    assert step.outputs["model"][0].uri == f"{tmp_path}/gcs/bucket/run/model"
    assert os.path.isdir(step.outputs["model"][0].uri), "TFX's own driver would have made it"


def test_types_come_from_the_components_definition_where_the_driver_forgot_them(read):
    from tfx.types.standard_artifacts import Examples, Model

    step = read()
    assert type(step.inputs["examples"][0]) is Examples
    assert type(step.inputs["verdict"][0]) is Verdict
    assert type(step.outputs["model"][0]) is Model


def test_whole_numbers_that_came_as_doubles_are_whole_again(read):
    step = read()
    examples, verdict = step.inputs["examples"][0], step.inputs["verdict"][0]
    assert (examples.span, examples.split_names) == (7, '["train", "eval"]')
    assert examples.get_int_custom_property("num") == 3
    assert examples.get_float_custom_property("share") == 0.5
    assert verdict.get_int_custom_property("blessed") == 1
    assert step.exec_properties == {"image_size": 32, "rate": 1.0}
    assert type(step.exec_properties["image_size"]) is int


def test_one_input_may_have_two_names_for_the_executor(read, tmp_path):
    step = read(same=[("baseline", "examples")])
    assert [one.uri for key in ("baseline", "examples") for one in step.inputs[key]] == 2 * [
        f"{tmp_path}/minio/bucket/run/examples"
    ]
    assert step.inputs["baseline"][0].split_names == '["train", "eval"]'


def test_an_output_that_the_component_does_not_declare_is_left_alone(read, tmp_path):
    logs = artifact("gs://bucket/run/executor-logs", {}, schemaTitle="system.Artifact")
    model = artifact("gs://bucket/run/model", {}, instanceSchema="title: tfx.Model\ntype: object\n")
    step = read(outputs={"artifacts": {"model": model, "executor-logs": logs}})
    assert set(step.outputs) == set(step.executor_output()["artifacts"]) == {"model"}
    assert not (tmp_path / "gcs/bucket/run/executor-logs").exists(), "the launcher makes a file of it"


def test_what_is_for_the_user_interface_is_no_output_of_the_executor(read):
    assert set(read().outputs) == {"model"}


def test_outputs_go_back_with_their_remote_address_and_properties(read):
    step = read(outputs={"artifacts": {"model": artifact("gs://b/m", {}, instanceSchema="title: tfx.Model\n")}})
    step.outputs["model"][0].set_int_custom_property("blessed", 1)
    (model,) = step.executor_output()["artifacts"]["model"]["artifacts"]
    assert model["uri"] == "gs://b/m" and model["metadata"]["blessed"] == 1.0


def test_an_input_that_is_not_in_the_bucket_is_named(read, tmp_path):
    step = read()
    (tmp_path / "s3/bucket/run/verdict").rmdir()
    with pytest.raises(FileNotFoundError, match="Node needs verdict, expected at s3://bucket/run/verdict"):
        _ = step.inputs


def test_the_output_is_whole_or_absent(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "task" / "output.json", "{}")
    assert not (tmp_path / "task" / "output.json").exists()


@pytest.fixture(scope="module")
def compiled_facts():
    from pipeline.config import load
    from pipeline.runners.kubeflow.compiling import _facts

    return lambda folder, *overrides: _facts(load(None, list(overrides)), str(folder))


def test_a_run_parameter_changes_its_nodes_and_leaves_the_others(compiled_facts, tmp_path):
    from pipeline.runners.kubeflow.properties import changed_at_run_time

    known = compiled_facts(tmp_path)
    changed = changed_at_run_time(known, "PushGate", {"gate_max_mode_gap": 0.25}, "d" * 64)
    assert json.loads(changed["settings"])["max_mode_gap"] == 0.25
    assert set(changed) == {"settings", "config_fingerprint", "code_hash"}
    size = changed_at_run_time(known, "Transform", {"transform_image_size": 64.0}, "d" * 64)
    assert json.loads(size["custom_config"])["image_size"] == 64
    assert set(changed_at_run_time(known, "ServingCheck", {}, "d" * 64)) == {"code_hash"}


def test_a_training_is_continued_with_the_same_data_only(compiled_facts, tmp_path):
    from pipeline.runners.kubeflow.properties import changed_at_run_time

    known = compiled_facts(tmp_path)
    places = [
        json.loads(changed_at_run_time(known, "Trainer", {}, letter * 64)["custom_config"])["work_dir"]
        for letter in "aab"
    ]
    assert places[0] == places[1] != places[2]
    assert places[0].startswith("/frostgate/cache/training/digits/")


def test_the_compiled_facts_are_read_as_they_were_written(compiled_facts, tmp_path):
    overrides = ["data.classes=[cat, dog]", "gate.max_mode_gap=0.07", "kubeflow.env={TZ: UTC}", "trainer.seed=9"]
    for known in (compiled_facts(tmp_path), compiled_facts(tmp_path, *overrides)):
        assert facts.Facts.read(known.written()) == known
        assert len(known.written()) < 800, "a run's workflow has it eight times a step"


@pytest.mark.parametrize("other", [{"digest": "0123456789abcdef"}, {"facts": {"config": {"gate": {"newer": 1}}}}])
def test_an_image_of_another_frostgate_is_refused_in_one_sentence(compiled_facts, tmp_path, other):
    text = json.dumps(json.loads(compiled_facts(tmp_path).written()) | other)
    with pytest.raises(ConfigRefused, match="The image must hold the frostgate that compiled the pipeline"):
        facts.Facts.read(text)


def test_the_schema_is_written_where_the_step_that_imports_it_looks(compiled_facts, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.runners.kubeflow.compiling._SCHEMAS", str(tmp_path / "schemas"))
    known = compiled_facts(tmp_path / "scratch", "data.classes=[cat, dog]")
    known.write_schema()
    assert '"dog"' in Path(known.schema_file).read_text()
    with pytest.raises(ConfigRefused, match="its schema is another"):
        known.model_copy(update={"classes": ("cat", "cow")}).write_schema()


def test_an_impossible_run_parameter_is_one_sentence(compiled_facts, tmp_path):
    from pipeline.runners.kubeflow.properties import changed_at_run_time

    with pytest.raises(ConfigRefused, match=r"transform\.image_size must be .* received 7"):
        changed_at_run_time(compiled_facts(tmp_path), "Transform", {"transform_image_size": 7.0}, "")


def entry(*arguments):
    command = [sys.executable, "-m", entrypoint.__name__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_failing_executor_fails_the_step_and_leaves_no_output_and_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{WORD}_step")
    message = {"outputs": {"outputFile": str(tmp_path / "out" / "output_metadata.json")}}
    told = ("--node", "X", "--outputs", "model", "--json_serialized_invocation_args", json.dumps(message))
    done = entry(
        *told, "--json_serialized_inputs_spec_args", "{}", "--executor_class_path", f"components.nowhere.{WORD}_step.X"
    )
    assert done.returncode == 1 and "nowhere" in done.stderr and WORD not in done.stdout + done.stderr
    assert not (tmp_path / "out").exists()


FAILED = json.dumps({"state": "FAILED", "error": {"message": f"{WORD}_step was refused"}})


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        (
            "ending",
            ["--endpoint", "http://127.0.0.1:9", "--pipeline", "p", "--run", "r", "--status", FAILED],
            "*** was refused",
        ),
        (
            "trigger",
            ["--endpoint", f"http://127.0.0.1:9/{WORD}_step", "--pipeline", "p", "--run", "r"],
            "no answer",
        ),
        ("news", ["--executor-input", json.dumps({"inputs": f"{WORD}_step"})], "Traceback"),
    ],
)
def test_no_command_of_a_step_says_a_secret_of_its_pod(module, arguments, said, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{WORD}_step")
    monkeypatch.delenv(NOTIFY_URL, raising=False)
    command = [sys.executable, "-m", f"pipeline.runners.kubeflow.{module}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said in done.stdout + done.stderr and WORD not in done.stdout + done.stderr


def test_help_teaches_and_a_missing_argument_is_told_at_once():
    assert "launcher" in entry("--help").stdout
    assert entry("--node", "X").returncode == 2


def test_an_artifact_that_changed_is_one_sentence_with_the_way_out(monkeypatch, capsys):
    def refuse(told, beam_args):
        raise ArtifactChanged("/minio/model", "the model must be what was judged")

    monkeypatch.setattr(entrypoint, "_run", refuse)
    assert entrypoint._guarded(Namespace(file=[]), []) == entrypoint.FAILED
    refusal, way_out = capsys.readouterr().err.split(". ")
    assert refusal == "frostgate: /minio/model: the model must be what was judged"
    assert way_out == "Run once without the cache of the step that made it: kubeflow.steps.NAME.cache=false.\n"
