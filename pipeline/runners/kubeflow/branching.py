"""A graph that trains only where something is new: a step looks first, and the run hangs on what it found.

The run stays one step below the root, for a backend before 2.17 tells the step after it how it ended only there. That
step is not run after a run that was skipped or never begun; who fails before it has one of its own.
"""

import copy
from collections.abc import Iterable
from typing import Any, Final

from pipeline.runners.kubeflow.outcome import SMALL

NEWS: Final = "News"
UNCHANGED: Final = "Unchanged"
NEWS_ENDED: Final = "NewsEnded"
# Run parameter: whether a run that has nothing new trains all the same.
AGAIN: Final = "again"
# Output parameters of the first step.
NEW: Final = "new"
MESSAGE: Final = "message"
YES: Final = "yes"
NO: Final = "no"

_MODULE: Final = "pipeline.runners.kubeflow.news"
_TEXT: Final = {"parameterType": "STRING"}
_SWITCH: Final = {"parameterType": "BOOLEAN"}


def branch(spec: dict[str, Any], component: str, executor: str, image: str, run: str, ended: str) -> None:
    """Puts the step that looks before a run, and makes the run wait for what it finds.

    Args:
        spec: JSON of a PipelineSpec whose root has the run and the step after it; changed.
        component: What component names begin with.
        executor: What executor labels begin with.
        image: The pipeline's.
        run: The run's name.
        ended: The name of the step after it.
    """
    root = spec["root"]
    root["inputDefinitions"]["parameters"][AGAIN] = _SWITCH | {
        "defaultValue": False,
        "isOptional": True,
        "description": "train although nothing is new since the last verdict",
    }
    found = {NEW: _TEXT, MESSAGE: _TEXT}
    look = _add(spec, component, executor, NEWS, {AGAIN: _SWITCH}, found)
    look |= {"image": image, "command": ["python", "-m", _MODULE], "args": ["--executor-input", "{{$}}"]}
    root["dag"]["tasks"][NEWS]["inputs"] = {"parameters": {AGAIN: {"componentInputParameter": AGAIN}}}

    unchanged = _add(spec, component, executor, UNCHANGED, found)
    command = ["python", "-c", "import sys; print(sys.argv[1])"]
    arguments = [f"{{{{$.inputs.parameters['{MESSAGE}']}}}}"]
    unchanged |= {"image": image, "command": command, "args": arguments, "resources": SMALL}
    _only_if(root["dag"]["tasks"][UNCHANGED], NO, found)

    spec["components"][component + run]["inputDefinitions"]["parameters"][NEW] = _TEXT
    _only_if(root["dag"]["tasks"][run], YES, [NEW])
    _add_end(spec, component, executor, ended)


def _add(
    spec: dict[str, Any],
    component: str,
    executor: str,
    name: str,
    takes: dict[str, Any],
    gives: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Adds a step to the root and returns its container, which is empty."""
    spec["root"]["dag"]["tasks"][name] = {
        "taskInfo": {"name": name},
        "componentRef": {"name": component + name},
        "cachingOptions": {},
    }
    made = {"executorLabel": executor + name, "inputDefinitions": {"parameters": dict(takes)}}
    spec["components"][component + name] = made | ({"outputDefinitions": {"parameters": gives}} if gives else {})
    container: dict[str, Any] = {}
    spec["deploymentSpec"]["executors"][executor + name] = {"container": container}
    return container


def _only_if(task: dict[str, Any], wanted: str, names: Iterable[str]) -> None:
    found = {name: {"taskOutputParameter": {"producerTask": NEWS, "outputParameterKey": name}} for name in names}
    task.setdefault("inputs", {}).setdefault("parameters", {}).update(found)
    task["dependentTasks"] = [NEWS]
    task["triggerPolicy"] = {"condition": f"inputs.parameter_values['{NEW}'] == '{wanted}'"}


def _add_end(spec: dict[str, Any], component: str, executor: str, ended: str) -> None:
    """Adds the step after the run once more: it comes after the look, and speaks only if that went wrong."""
    components, executors = spec["components"], spec["deploymentSpec"]["executors"]
    components[component + NEWS_ENDED] = components[component + ended] | {"executorLabel": executor + NEWS_ENDED}
    executors[executor + NEWS_ENDED] = copy.deepcopy(executors[executor + ended])
    executors[executor + NEWS_ENDED]["container"]["args"].append("--only-broken-off")
    task = spec["root"]["dag"]["tasks"][NEWS_ENDED] = copy.deepcopy(spec["root"]["dag"]["tasks"][ended])
    task["taskInfo"]["name"] = NEWS_ENDED
    task["componentRef"]["name"] = component + NEWS_ENDED
    task["dependentTasks"] = [NEWS]
    task["inputs"]["parameters"]["status"] = {"taskFinalStatus": {"producerTask": NEWS}}
