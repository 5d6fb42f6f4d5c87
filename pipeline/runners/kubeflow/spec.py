"""From TFX's compiled specification to one that the open-source backend runs: plain data in, plain data out."""

import copy
import difflib
from collections.abc import Collection, Mapping
from typing import Any, Final

from pipeline.config import Config
from pipeline.config_errors import ConfigRefused, all_keys
from pipeline.runners.kubeflow.branching import NEWS, branch
from pipeline.runners.kubeflow.ending import ENDED, RUN_ID, TRAINING, add_end
from pipeline.runners.kubeflow.facts import COMPILED, RUN_PARAMETER, Facts, parameter_name
from pipeline.runners.kubeflow.outcome import DECIDED_BY, SMALL, add_steps
from pipeline.runners.kubeflow.pages import PAGES
from pipeline.runners.kubeflow.steps import Resources

# As the Kubeflow Pipelines SDK names them; its local runner counts on the five letters.
COMPONENT: Final = "comp-"
EXECUTOR: Final = "exec-"
_TYPES: Final = {bool: "BOOLEAN", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", str: "STRING"}
_FIRST_RETRY_AFTER: Final = "60s"
_COMPILED_IN: Final = ("name", "output", "beam", "kubeflow")

Spec = dict[str, Any]


def accepted(
    compiled: Spec, facts: Facts, resources: Mapping[str, Resources], uses: Mapping[str, Collection[str]], schema: str
) -> Spec:
    """Turns what TFX's V2 runner wrote into what the backend accepts.

    Args:
        compiled: JSON of a PipelineSpec, schema 2.1.0.
        facts: What every step must know.
        resources: Node -> what it gets.
        uses: Node -> keys of the configuration that a run may change and that matter to the node.
        schema: Text of the schema file.

    Returns:
        A new document.
    """
    spec = _renamed(copy.deepcopy(compiled))
    spec["root"]["inputDefinitions"] = {"parameters": _definitions(facts.config)}
    environment = [{"name": COMPILED, "value": facts.model_dump_json()}]
    environment += [{"name": name, "value": value} for name, value in sorted(facts.config.kubeflow.env.items())]
    tasks = spec["root"]["dag"]["tasks"]
    for name in tasks:
        container = spec["deploymentSpec"]["executors"][EXECUTOR + name]["container"]
        container["args"] = ["--node", name, *container["args"], *resources[name].beam_args]
        _equip(spec, tasks, name, facts, resources[name], uses[name], environment)
    tasks[DECIDED_BY]["inputs"]["parameters"]["kfp_run_id"] = {"runtimeValue": {"constant": RUN_ID}}
    importer = spec["deploymentSpec"]["executors"][EXECUTOR + "ImportSchemaGen"]["container"]
    importer["args"][0:0] = ["--file", facts.schema_file, schema]
    card = spec["components"][COMPONENT + "Card"]["outputDefinitions"]["artifacts"]
    card |= {key: {"artifactType": {"schemaTitle": title, "schemaVersion": "0.0.1"}} for key, title in PAGES.items()}
    image = facts.config.kubeflow.image
    add_steps(spec, COMPONENT, EXECUTOR, image)
    container = {"image": image, "env": environment[1:], "resources": SMALL}
    add_end(spec, COMPONENT, EXECUTOR, container, facts.config.monitoring.pushgateway)
    if NEWS in resources:
        branch(spec, COMPONENT, EXECUTOR, image, TRAINING, ENDED)
        _equip(spec, spec["root"]["dag"]["tasks"], NEWS, facts, resources[NEWS], uses[NEWS], environment)
    return spec


def _equip(
    spec: Spec,
    tasks: Spec,
    name: str,
    facts: Facts,
    given: Resources,
    keys: Collection[str],
    environment: list[dict[str, str]],
) -> None:
    """Gives a step what it may use, and the run's parameters."""
    container, task = spec["deploymentSpec"]["executors"][EXECUTOR + name]["container"], tasks[name]
    _take_parameters(task, spec["components"][COMPONENT + name], facts.config, keys)
    container["env"] = environment
    container["resources"] = _limits(given, facts.config.kubeflow.gpu_resource)
    task["cachingOptions"] = {"enableCache": True} if given.is_cached else {}
    if given.retries:
        task["retryPolicy"] = {
            "maxRetryCount": given.retries,
            "backoffDuration": _FIRST_RETRY_AFTER,
            "backoffFactor": 2.0,
        }


def steps_of(spec: Spec) -> Spec:
    """Returns the steps of a run: name -> JSON of a PipelineTaskSpec."""
    return spec["components"][COMPONENT + TRAINING]["dag"]["tasks"]


def _renamed(spec: Spec) -> Spec:
    spec["components"] = {COMPONENT + name: one for name, one in spec["components"].items()}
    executors = spec["deploymentSpec"]["executors"]
    spec["deploymentSpec"]["executors"] = {}
    for name, component in spec["components"].items():
        label = EXECUTOR + name.removeprefix(COMPONENT)
        spec["deploymentSpec"]["executors"][label] = executors[component["executorLabel"]]
        component["executorLabel"] = label
    for task in spec["root"]["dag"]["tasks"].values():
        task["componentRef"]["name"] = COMPONENT + task["componentRef"]["name"]
    return spec


def _definitions(config: Config) -> Spec:
    names = [parameter_name(key) for key in config.kubeflow.parameters]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigRefused([f"kubeflow.parameters must have names of their own; received {', '.join(twice)} twice."])
    found = {}
    for key in config.kubeflow.parameters:
        value = value_of(config, key)
        found[parameter_name(key)] = {
            "parameterType": _TYPES[type(value)],
            "defaultValue": value,
            "isOptional": True,
            "description": key,
        }
    return found


def value_of(config: Config, key: str) -> Any:
    """Reads the value of a dotted key that a run may change.

    Raises:
        ConfigRefused: There is no such key, or it is no text, number or boolean.
    """
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part, None)
    if value is None:
        near = difflib.get_close_matches(key, list(all_keys(Config)), 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigRefused([f"kubeflow.parameters must name keys of this configuration; received {key}.{hint}"])
    if type(value) not in _TYPES or key.partition(".")[0] in _COMPILED_IN:
        raise ConfigRefused(
            [
                "kubeflow.parameters must name keys that hold a text, a number or true and false, and that are not "
                f"compiled into the file ({', '.join(_COMPILED_IN)}); received {key}."
            ]
        )
    return value


def _take_parameters(task: Spec, component: Spec, config: Config, keys: Collection[str]) -> None:
    for key in keys:
        name = parameter_name(key)
        definition = {"parameterType": _TYPES[type(value_of(config, key))]}
        component["inputDefinitions"].setdefault("parameters", {})[RUN_PARAMETER + name] = definition
        task["inputs"].setdefault("parameters", {})[RUN_PARAMETER + name] = {"componentInputParameter": name}


def _limits(given: Resources, gpu_resource: str) -> Spec:
    limits: Spec = {
        "cpuLimit": given.cpu,
        "cpuRequest": given.cpu_request,
        "memoryLimit": given.memory_gigabytes,
        "memoryRequest": given.memory_request_gigabytes,
    }
    if given.gpus:
        limits["accelerator"] = {"type": gpu_resource, "count": str(given.gpus)}
    return limits
