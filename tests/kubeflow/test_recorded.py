"""What Kubeflow Pipelines 2.17.0 handed to each step of our pipelines, recorded: the steps read it, and the stand-in
for the backend agrees with it."""

import json
import re
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

from pipeline.runners.kubeflow import entrypoint
from tests.kubeflow.backend import Backend

pytestmark = pytest.mark.tfx

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parent / "recorded"
STEPS = sorted(str(path.relative_to(RECORDED).with_suffix("")) for path in RECORDED.glob("*/*.json"))
# Of small steps, no executor reads the message.
EXECUTED = [one for one in STEPS if Path(one).name not in ("Ended", "Pushed", "Quiet")]
LOGS = "executor-logs"


def recorded(step):
    return json.loads((RECORDED / f"{step}.json").read_text())


@lru_cache
def committed(pipeline):
    return next(yaml.safe_load_all((ROOT / "kubeflow" / f"{pipeline}.yaml").read_text()))


def compiled(step):
    """The committed file's definition of a recorded step: component and container."""
    pipeline, name = step.split("/")
    spec = committed(pipeline)
    return spec["components"][f"comp-{name}"], spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]


def read(step, folder, monkeypatch):
    """Reads a recorded message as the step's container does, on the files that the launcher makes."""
    from pipeline.runners.kubeflow.step import local_path

    _, container = compiled(step)
    monkeypatch.setenv("FROSTGATE_LOCAL_ROOT", str(folder))
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    message = recorded(step)
    for listed in message["inputs"].get("artifacts", {}).values():
        for one in listed["artifacts"]:
            Path(local_path(one["uri"])).mkdir(parents=True)
    log = Path(local_path(message["outputs"]["artifacts"][LOGS]["artifacts"][0]["uri"]))
    log.parent.mkdir(parents=True)
    # The launcher opens it before the step starts.
    log.write_text("")
    arguments = [text.replace("{{$}}", json.dumps(message)) for text in container["args"]]
    return entrypoint.step_of(entrypoint.parsed(arguments)[0]), log


@pytest.mark.parametrize("step", EXECUTED)
def test_a_step_reads_what_the_driver_hands_it_and_leaves_alone_what_it_does_not_declare(step, tmp_path, monkeypatch):
    found, log = read(step, tmp_path, monkeypatch)
    component, container = compiled(step)
    types = {name: one["artifactType"] for name, one in component["outputDefinitions"]["artifacts"].items()}
    pages = {name for name, one in types.items() if "schemaTitle" in one}
    same = dict(entrypoint.parsed(container["args"])[0].same)
    assert set(found.inputs) == {*component["inputDefinitions"].get("artifacts", {}), *same}
    assert all(found.inputs[name][0].uri == found.inputs[other][0].uri for name, other in same.items())
    assert set(found.outputs) == set(types) - pages
    assert all(Path(one.uri).is_dir() for listed in found.outputs.values() for one in listed)
    assert log.is_file(), "a folder in its place, and the launcher's log is lost"
    assert found.exec_properties
    assert set(found.message.outputs.artifacts) == set(types)


def _without_chance(message):
    """What differs from run to run, and where the stand-in's pod has its root folder."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", json.dumps(message))
    return json.loads(text)


@pytest.mark.parametrize("step", STEPS)
def test_the_stand_in_provisions_the_outputs_that_the_driver_does(step, tmp_path):
    backend = Backend(tmp_path)
    there = recorded(step)
    pipeline = there["outputs"]["artifacts"][LOGS]["artifacts"][0]["uri"].split("/")[5]
    component, _ = compiled(step)
    here = backend.outputs(component, pipeline, Path(step).name, "00000000-0000-0000-0000-000000000000")
    for one in (here, *here.get("parameters", {}).values()):
        one["outputFile"] = one["outputFile"].removeprefix(str(tmp_path / "pod"))
    assert _without_chance(here) == _without_chance(there["outputs"])
