"""From TFX's compiled specification to one that the open-source backend runs: plain data in, plain data out."""

import copy
import difflib
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from components.foreign import json_text
from pipeline.config import Config
from pipeline.config_errors import ConfigRefused, all_keys
from pipeline.runners.kubeflow.branching import NEWS, branch
from pipeline.runners.kubeflow.ending import ENDED, RUN_ID, add_end
from pipeline.runners.kubeflow.facts import COMPILED, RUN_PARAMETER, Facts, parameter_name
from pipeline.runners.kubeflow.outcome import add_steps
from pipeline.runners.kubeflow.pages import PAGES
from pipeline.runners.kubeflow.pipelines import TRAITS
from pipeline.runners.kubeflow.steps import Resources, retried
from pipeline.runners.kubeflow.trigger import add_trigger, is_wanted

# As the Kubeflow Pipelines SDK names them; its local runner counts on the five letters.
COMPONENT: Final = "comp-"
EXECUTOR: Final = "exec-"
_TYPES: Final = {bool: "BOOLEAN", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", str: "STRING"}
_COMPILED_IN: Final = ("name", "output", "beam", "kubeflow")

Spec = dict[str, Any]


def accepted(
    compiled: Spec,
    facts: Facts,
    resources: Mapping[str, Resources],
    uses: Mapping[str, Collection[str]],
) -> Spec:
    """Turns what TFX's V2 runner wrote into what the backend accepts.

    Args:
        compiled: JSON of a PipelineSpec, schema 2.1.0.
        facts: What every step must know.
        resources: Node -> what it gets.
        uses: Node -> run parameters that matter to it.

    Returns:
        A new document.
    """
    spec = _renamed(copy.deepcopy(compiled))
    traits, config = TRAITS[facts.pipeline], facts.config
    definitions = _definitions(facts, {name for names in uses.values() for name in names})
    spec["root"]["inputDefinitions"] = {"parameters": definitions}
    environment = [{"name": COMPILED, "value": facts.written()}]
    environment += [{"name": name, "value": value} for name, value in sorted(config.kubeflow.env.items())]
    for name, task in spec["root"]["dag"]["tasks"].items():
        component = spec["components"][COMPONENT + name]
        container = spec["deploymentSpec"]["executors"][EXECUTOR + name]["container"]
        _equip(spec, task, name, facts, resources[name], environment)
        _take_parameters(task, component, definitions, uses[name])
        if name in traits.run_id:
            task["inputs"]["parameters"][traits.run_id[name]] = {"runtimeValue": {"constant": RUN_ID}}
        if name in PAGES:
            component["outputDefinitions"]["artifacts"] |= {
                key: {"artifactType": {"schemaTitle": title, "schemaVersion": "0.0.1"}}
                for key, title in PAGES[name].items()
            }
        outputs = ["--outputs", *sorted(component["outputDefinitions"]["artifacts"])]
        own = ["--node", name, *outputs, *_taken_once(task, component)]
        container["args"] = [*own, *map(_compact, container["args"]), *resources[name].beam_args]
    image = config.kubeflow.image
    container = {"image": image, "env": environment[1:]}
    add_steps(spec, COMPONENT, EXECUTOR, image, traits.steps, traits.decided_by)
    if is_wanted(facts):
        add_trigger(spec, COMPONENT, EXECUTOR, container, config)
    told = ["--pipeline", config.name, *traits.ending]
    add_end(
        spec,
        COMPONENT,
        EXECUTOR,
        container,
        config.kubeflow.endpoint,
        str(config.monitoring.pushgateway),
        facts.pipeline,
        told,
        traits.parameters,
    )
    if NEWS in resources:
        branch(spec, COMPONENT, EXECUTOR, image, facts.pipeline, ENDED)
        task = spec["root"]["dag"]["tasks"][NEWS]
        _equip(spec, task, NEWS, facts, resources[NEWS], environment)
        _take_parameters(task, spec["components"][COMPONENT + NEWS], definitions, uses[NEWS])
    return spec


def _equip(
    spec: Spec, task: Spec, name: str, facts: Facts, given: Resources, environment: list[dict[str, str]]
) -> None:
    """Gives a step what it may use."""
    container = spec["deploymentSpec"]["executors"][EXECUTOR + name]["container"]
    container["env"] = environment
    container["resources"] = _limits(given, facts.config.kubeflow.gpu_resource)
    task["cachingOptions"] = {"enableCache": True} if given.is_cached else {}
    task |= retried(given.retries, given.timeout_seconds)


def steps_of(spec: Spec) -> Spec:
    """Returns the steps of a run: name -> JSON of a PipelineTaskSpec."""
    (graph,) = (spec["components"][COMPONENT + name] for name in TRAITS if COMPONENT + name in spec["components"])
    return graph["dag"]["tasks"]


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


def _definitions(facts: Facts, used: Collection[str]) -> Spec:
    config, further = facts.config, TRAITS[facts.pipeline].parameters
    names = [*further, *map(parameter_name, config.kubeflow.parameters)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigRefused([f"kubeflow.parameters must have names of their own; received {', '.join(twice)} twice."])
    found = {name: _definition("", name) for name in further}
    for key in config.kubeflow.parameters:
        definition = _definition(value_of(config, key), key)
        # What changes no step of this pipeline is another one's.
        if parameter_name(key) in used:
            found[parameter_name(key)] = definition
    return found


def _definition(default: Any, description: str) -> Spec:
    return {
        "parameterType": _TYPES[type(default)],
        "defaultValue": default,
        "isOptional": True,
        "description": description,
    }


def value_of(config: Config, key: str) -> Any:
    """Reads the value of a dotted key that a run may change.

    Raises:
        ConfigRefused: There is no such key, or it is no text, number or boolean.
    """
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part, None)
    if isinstance(value, str):
        # An address is a text of a type of its own, which YAML does not know.
        value = str(value)
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


def _compact(argument: str) -> str:
    """Writes JSON that TFX's compiler laid out for people without its blanks."""
    return json.dumps(json_text.parse(argument), separators=(",", ":")) if argument.startswith("{\n") else argument


def _taken_once(task: Spec, component: Spec) -> list[str]:
    """Takes from a task what it would be given a second time under another name.

    The metadata store keeps one event of a task and an artifact, and the driver fails at the second.

    Returns:
        Arguments of the step, which gives its executor the one artifact under both names.
    """
    names: dict[tuple[str, str], str] = {}
    told = []
    for name, one in sorted(task.get("inputs", {}).get("artifacts", {}).items()):
        source = one["taskOutputArtifact"]
        first = names.setdefault((source["producerTask"], source["outputArtifactKey"]), name)
        if first != name:
            told += ["--same", name, first]
            del task["inputs"]["artifacts"][name], component["inputDefinitions"]["artifacts"][name]
    return told


def _take_parameters(task: Spec, component: Spec, definitions: Spec, names: Collection[str]) -> None:
    for name in names:
        definition = {"parameterType": definitions[name]["parameterType"]}
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
