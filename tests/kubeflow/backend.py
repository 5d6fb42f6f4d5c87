"""Runs a compiled pipeline step by step as the open-source backend does, with folders in place of bucket and pods.

The driver resolves a task's inputs, looks into the cache and provisions its outputs; the launcher downloads, replaces
placeholders, runs the container's own command in a process, uploads, and records what the metadata store would keep.
Written from what Kubeflow Pipelines 2.17 does (`backend/src/v2/driver`, `component`, `metadata`).
"""

import copy
import hashlib
import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as specs

from tests.conftest import ONE_THREAD
from tests.kubeflow import steps

REPOSITORY = Path(__file__).parents[2]
ROOT = "minio://mlpipeline/v2/artifacts"
# The driver adds this output to every task, and the launcher opens its file before the container's command starts.
LOGS = "executor-logs"
_SCHEMES = {"gs://": "gcs", "s3://": "s3", "minio://": "minio"}
Json = dict[str, Any]


class Killed(Exception):
    """What a test raises before an attempt whose pod dies, launcher and all, so that nobody writes its state down."""


@dataclass
class Execution:
    """What the metadata store knows of a task."""

    state: str
    artifacts: dict[str, Json] = field(default_factory=dict)
    """Output key -> artifact as the store keeps it: uri, type title, properties as doubles, texts and structs."""
    parameters: dict[str, Any] = field(default_factory=dict)
    attempts: int = 0
    log: str = ""


@dataclass
class Backend:
    """One cluster: its bucket, its volume and its cache outlive runs."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[str, int], None] = lambda task, attempt: None
    """Is called before every attempt, the first is 1; a test breaks things here."""
    cache: dict[str, dict[str, Json]] = field(default_factory=dict)
    num_artifacts: int = 0

    @property
    def bucket(self) -> Path:
        return self.home / "bucket"

    def run(
        self,
        package: Path,
        parameters: Mapping[str, Any] | None = None,
        done: dict[str, Execution] | None = None,
        only: Collection[str] | None = None,
    ) -> dict[str, Execution]:
        """Runs every task whose upstream tasks succeeded.

        Args:
            package: The compiled file.
            parameters: The run's.
            done: Tasks of a run that is continued; filled with this run's.
            only: The run is stopped when all of these are over; None: all.

        Returns:
            Task -> what became of it.
        """
        spec = next(yaml.safe_load_all(package.read_text()))
        # The backend reads the specification strictly.
        json_format.ParseDict(spec, specs.PipelineSpec())
        given = _run_parameters(spec, parameters or {})
        done = {} if done is None else done
        self._graph(spec, spec["root"]["dag"]["tasks"], given, done, uuid.uuid4().hex[:8], only)
        return done

    def _graph(
        self,
        spec: Json,
        tasks: Json,
        given: Json,
        done: dict[str, Execution],
        run_id: str,
        only: Collection[str] | None,
    ) -> None:
        """Walks a graph; names are the same at every level, as in the user interface."""
        exits = {name: task for name, task in tasks.items() if _comes_after(task)}
        for name in _ordered({name: task for name, task in tasks.items() if name not in exits}):
            task = tasks[name]
            component = spec["components"][task["componentRef"]["name"]]
            is_graph = "dag" in component
            if not is_graph and (name in done or (only is not None and name not in only)):
                continue
            if any(done[one].state not in ("COMPLETE", "CACHED") for one in task.get("dependentTasks", [])):
                done[name] = Execution("OMITTED")
            elif is_graph:
                done[name] = self._nested(spec, task, component, given, done, run_id, only)
            else:
                done[name] = self._task(spec, name, task, given, done, run_id)
            # A workflow's exit hook comes after what completed; what was skipped or omitted has not.
            if only is not None or done[name].state in ("SKIPPED", "OMITTED"):
                continue
            status = {"state": done[name].state, "pipelineTaskName": name, "error": {}}
            for last, after in exits.items():
                if after["dependentTasks"] == [name]:
                    done[last] = self._task(spec, last, after, given | {"status": status}, done, run_id)

    def _nested(
        self,
        spec: Json,
        task: Json,
        component: Json,
        given: Json,
        done: dict[str, Execution],
        run_id: str,
        only: Collection[str] | None,
    ) -> Execution:
        """Walks a graph within a graph; where its condition does not hold, nobody hears of its tasks."""
        values = _inputs(task, component, given, done)["parameterValues"]
        if not _triggered(task, values):
            return Execution("SKIPPED")
        tasks = component["dag"]["tasks"]
        self._graph(spec, tasks, values, done, run_id, only)
        return Execution(_state_of([done[name].state for name in tasks if name in done], len(tasks)))

    def artifact(self, execution: Execution, key: str) -> Path:
        """Where the bucket keeps an output."""
        return self._in_bucket(execution.artifacts[key]["uri"])

    def _task(
        self, spec: Json, name: str, task: Json, given: Json, done: Mapping[str, Execution], run_id: str
    ) -> Execution:
        component = spec["components"][task["componentRef"]["name"]]
        container = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        inputs = _inputs(task, component, given, done)
        if not _triggered(task, inputs["parameterValues"]):
            return Execution("SKIPPED")
        if repeated := _repeated(inputs):
            return Execution("RUNNING", log=f"driver: artifacts {repeated} are in the task's events already")
        key = _cache_key(inputs, component, container)
        if task.get("cachingOptions", {}).get("enableCache") and key in self.cache:
            return Execution("CACHED", copy.deepcopy(self.cache[key]))
        outputs = self.outputs(component, spec["pipelineInfo"]["name"], name, run_id)
        execution = Execution("FAILED")
        policy = task.get("retryPolicy", {})
        for again in range(policy.get("maxRetryCount", 0) + 1):
            if again and not policy.get("backoffMaxDuration"):
                # The backend writes zero in its place, which is over when the first try ends.
                execution.log += "Max duration limit exceeded"
                break
            execution.attempts += 1
            try:
                self.before(name, execution.attempts)
            except Killed:
                execution.state = "RUNNING"
                continue
            execution.state = "FAILED"
            tried = copy.deepcopy(outputs)
            # The launcher tells the attempts' files apart.
            tried["artifacts"][LOGS]["artifacts"][0]["uri"] += f"-{again}"
            if self._launch(container, {"inputs": inputs, "outputs": tried}, execution):
                self.cache[key] = copy.deepcopy(execution.artifacts)
                break
        return execution

    def outputs(self, component: Json, pipeline: str, name: str, run_id: str) -> Json:
        """What the driver provisions for a task: its outputs, and a file for what its container prints."""
        task_root = f"{ROOT}/{pipeline}/{run_id}/{name}/{uuid.uuid4()}"
        types = {key: one["artifactType"] for key, one in _declared(component, "artifacts").items()}
        artifacts = {
            key: {"artifacts": [{"name": key, "uri": f"{task_root}/{key}", "type": kind}]}
            for key, kind in (types | {LOGS: {"schemaTitle": "system.Artifact"}}).items()
        }
        parameters = {
            key: {"outputFile": f"{self._pod}/tmp/kfp/outputs/{key}"} for key in _declared(component, "parameters")
        }
        output_file = str(self._local(task_root) / "output_metadata.json")
        found = {"artifacts": artifacts, "outputFile": output_file}
        return found | ({"parameters": parameters} if parameters else {})

    def _launch(self, container: Json, executor_input: Json, execution: Execution) -> bool:
        # A pod's volumes are new with every attempt.
        shutil.rmtree(self._pod, ignore_errors=True)
        for one in _artifacts(executor_input["inputs"]):
            _copy_files(self._in_bucket(one["uri"]), self._local(one["uri"]))
        for one in _artifacts(executor_input["outputs"]):
            self._local(one["uri"]).parent.mkdir(parents=True, exist_ok=True)
        logs = self._local(executor_input["outputs"]["artifacts"][LOGS]["artifacts"][0]["uri"])
        opened = logs.open("wb")
        message = json_format.ParseDict(executor_input, specs.ExecutorInput())
        replaced = {f"{{{{$.inputs.parameters['{key}']}}}}": _text(value) for key, value in _values(executor_input)}
        replaced["{{$}}"] = json_format.MessageToJson(message, indent=None)
        command = [_filled(text, replaced) for text in (*container["command"], *container["args"])]
        environment = {one["name"]: one["value"] for one in container.get("env", [])}
        environment = {**self._pod_environment(), **environment, **self.environment}
        log = self.home / "log"
        code = steps.run(command, environment, self._pod, log)
        with opened:
            opened.write(log.read_bytes())
        execution.log += log.read_text()
        return code == 0 and self._publish(executor_input["outputs"], execution)

    def _publish(self, outputs: Json, execution: Execution) -> bool:
        written = Path(outputs["outputFile"])
        try:
            told = json.loads(written.read_text()) if written.exists() else {}
            json_format.ParseDict(told, specs.ExecutorOutput())
        except (ValueError, json_format.ParseError) as error:
            execution.log += f"failed to unmarshal ExecutorOutput: {error}"
            return False
        for key, listed in outputs["artifacts"].items():
            (one,) = listed["artifacts"]
            (said,) = told.get("artifacts", {}).get(key, {}).get("artifacts", [{}])
            one["uri"] = said.get("uri", one["uri"])
            _copy_files(self._local(one["uri"]), self._in_bucket(one["uri"]))
            self.num_artifacts += 1
            metadata = {name: _stored(value) for name, value in said.get("metadata", {}).items()}
            execution.artifacts[key] = {
                "name": str(self.num_artifacts),
                "uri": one["uri"],
                "metadata": {"display_name": key, "store_session_info": "{}", **metadata},
            }
        execution.parameters = told.get("parameterValues", {})
        execution.state = "COMPLETE"
        return True

    @property
    def _pod(self) -> Path:
        folder = self.home / "pod"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _pod_environment(self) -> dict[str, str]:
        return {
            # The image has `python` where a checkout has its environment.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(self._pod),
            "FROSTGATE_LOCAL_ROOT": str(self._pod),
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **ONE_THREAD,
        }

    def _local(self, uri: str) -> Path:
        return self._pod / _path(uri)

    def _in_bucket(self, uri: str) -> Path:
        return self.bucket / _path(uri)


def _path(uri: str) -> str:
    for scheme, folder in _SCHEMES.items():
        if uri.startswith(scheme):
            return f"{folder}/{uri.removeprefix(scheme)}"
    raise ValueError(f"unsupported storage scheme: {uri}")


def _ordered(tasks: Mapping[str, Json]) -> Iterable[str]:
    return TopologicalSorter({name: task.get("dependentTasks", []) for name, task in tasks.items()}).static_order()


def _run_parameters(spec: Json, given: Mapping[str, Any]) -> Json:
    definitions = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    unknown = set(given) - set(definitions)
    assert not unknown, f"unknown run parameters: {unknown}"
    return {name: given.get(name, one.get("defaultValue")) for name, one in definitions.items()}


def _inputs(task: Json, component: Json, given: Json, done: Mapping[str, Execution]) -> Json:
    definitions = component.get("inputDefinitions", {}).get("parameters", {})
    parameters = {}
    for name, one in task.get("inputs", {}).get("parameters", {}).items():
        value = _value(one, given, done)
        _check_type(name, value, definitions[name]["parameterType"])
        # Every number of a protobuf Value is a double.
        is_number = isinstance(value, int) and not isinstance(value, bool)
        parameters[name] = float(value) if is_number else value
    artifacts = {}
    for name, one in task.get("inputs", {}).get("artifacts", {}).items():
        source = one["taskOutputArtifact"]
        kept = done[source["producerTask"]].artifacts[source["outputArtifactKey"]]
        # The type is gone: the driver does not look it up.
        artifacts[name] = {"artifacts": [{**copy.deepcopy(kept), "type": {"instanceSchema": ""}}]}
    return {"parameterValues": parameters, "artifacts": artifacts}


def _value(one: Json, given: Json, done: Mapping[str, Execution]) -> Any:
    if "componentInputParameter" in one:
        return given[one["componentInputParameter"]]
    if "taskOutputParameter" in one:
        source = one["taskOutputParameter"]
        return done[source["producerTask"]].parameters[source["outputParameterKey"]]
    if "taskFinalStatus" in one:
        return given["status"]
    constant = one["runtimeValue"]["constant"]
    return "a-run" if constant == "{{$.pipeline_job_uuid}}" else constant


def _declared(component: Json, kind: str) -> Json:
    return component.get("outputDefinitions", {}).get(kind, {})


def _repeated(inputs: Json) -> list[str]:
    """Artifacts that a task would be given twice: the metadata store keeps one event of a task and an artifact."""
    names = [one["name"] for one in _artifacts(inputs)]
    return sorted({name for name in names if names.count(name) > 1})


def _comes_after(task: Json) -> bool:
    return task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"


def _state_of(states: Sequence[str], num_tasks: int) -> str:
    """What the launcher of a graph's last task writes down of the graph that the task is in, and of no other above it.

    A task that was not triggered counts as completed, one that was omitted does not exist.
    """
    if sum(state in ("COMPLETE", "CACHED", "SKIPPED") for state in states) == num_tasks:
        return "COMPLETE"
    return "FAILED" if "FAILED" in states else "RUNNING"


def _triggered(task: Json, values: Json) -> bool:
    """Evaluates the one form of the Common Expression Language that the pipeline uses."""
    condition = task.get("triggerPolicy", {}).get("condition")
    if condition is None:
        return True
    found = re.fullmatch(r"inputs\.parameter_values\['(\w+)'\] == '(\w+)'", condition)
    assert found, condition
    return values[found[1]] == found[2]


def _values(executor_input: Json) -> Iterator[tuple[str, Any]]:
    return iter(executor_input["inputs"]["parameterValues"].items())


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _filled(text: str, replaced: Mapping[str, str]) -> str:
    for placeholder, value in replaced.items():
        text = text.replace(placeholder, value)
    return text


def _check_type(name: str, value: Any, wanted: str) -> None:
    kinds: dict[str, Any] = {
        "STRING": str,
        "BOOLEAN": bool,
        "NUMBER_INTEGER": (int, float),
        "NUMBER_DOUBLE": (int, float),
        "TASK_FINAL_STATUS": dict,
    }
    assert isinstance(value, kinds[wanted]), f"input parameter {name} type mismatch: expect {wanted}, got {value!r}"


def _cache_key(inputs: Json, component: Json, container: Json) -> str:
    parts = {
        "artifacts": {
            name: [one["name"] for one in listed["artifacts"]] for name, listed in inputs["artifacts"].items()
        },
        "parameters": inputs["parameterValues"],
        "outputs": component.get("outputDefinitions", {}),
        "command": [*container["command"], *container["args"]],
        "image": container["image"],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _artifacts(side: Json) -> Iterator[Json]:
    return (one for listed in side["artifacts"].values() for one in listed["artifacts"])


def _copy_files(source: Path, target: Path) -> None:
    """Copies as a bucket would: files only, folders without files are lost, what is missing is no error."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _stored(value: Any) -> Any:
    """A value after the metadata store: numbers are doubles, booleans too, and the rest goes into structs."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    if isinstance(value, list):
        return {"list": value}
    return {"struct": value} if isinstance(value, dict) else value
