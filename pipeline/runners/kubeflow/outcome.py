"""How a run on the cluster came out: a step each for pushed, blocked and held, of which one runs.

The backend calls a run with a blocked model a success, as it should. What was decided is seen in the graph, and by
whoever waits for the run, in which of these steps ran.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from components.foreign import json_text
from pipeline.runners.results import RunStatus, judge

# Status -> step.
STEPS: Final[dict[RunStatus, str]] = {"pushed": "Pushed", "blocked": "Blocked", "held": "Held"}
# The node that knows, and its output parameters.
DECIDED_BY: Final = "RegistryPush"
PARAMETERS: Final = ("status", "message")
# Of steps that only say something.
SMALL: Final = {"cpuLimit": 0.5, "memoryLimit": 0.25}
# Of steps that ask the API: the client of Kubeflow Pipelines takes 110 MB.
ASKING: Final = {"cpuLimit": 1.0, "memoryLimit": 0.5}


def outcome(inputs: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """Says how the run came out, from the inputs of the node that registers the model.

    Raises:
        RuntimeError: The model passed and was not pushed.
    """
    status, _, message = judge(*documents(inputs))
    if status not in STEPS:
        raise RuntimeError(message)
    return {"status": status, "message": message}


def documents(inputs: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Reads verdict.json, serving.json and pushed.json from the inputs of the node that registers the model."""
    return (
        read(inputs["verdict"][0].uri, "verdict.json"),
        read(inputs["serving_report"][0].uri, "serving.json"),
        read(inputs["pushed_model"][0].uri, "pushed.json"),
    )


def read(folder: str, name: str) -> dict[str, Any]:
    """Reads a JSON file of an artifact."""
    return json_text.read(Path(folder, name))


def add_steps(
    spec: dict[str, Any], component: str, executor: str, image: str, steps: Mapping[Any, str], decided_by: str
) -> None:
    """Adds the steps to a compiled specification.

    Args:
        spec: JSON of a PipelineSpec; changed.
        component: What component names begin with.
        executor: What executor labels begin with.
        image: Any with Python.
        steps: Status -> step.
        decided_by: The node that knows the status.
    """
    definitions = {name: {"parameterType": "STRING"} for name in PARAMETERS}
    spec["components"][component + decided_by]["outputDefinitions"]["parameters"] = definitions
    for status, name in steps.items():
        spec["components"][component + name] = {
            "executorLabel": executor + name,
            "inputDefinitions": {"parameters": definitions},
        }
        spec["deploymentSpec"]["executors"][executor + name] = {
            "container": {
                "image": image,
                "command": ["python", "-c", "import sys; print(sys.argv[1])"],
                "args": ["{{$.inputs.parameters['message']}}"],
                "resources": SMALL,
            }
        }
        spec["root"]["dag"]["tasks"][name] = {
            "taskInfo": {"name": name},
            "componentRef": {"name": component + name},
            "dependentTasks": [decided_by],
            "inputs": {"parameters": decided(decided_by)},
            "triggerPolicy": if_status(status),
            "cachingOptions": {},
        }


def decided(decided_by: str) -> dict[str, Any]:
    """Inputs of a task that are what the node decided, by name."""
    return {
        name: {"taskOutputParameter": {"producerTask": decided_by, "outputParameterKey": name}} for name in PARAMETERS
    }


def if_status(status: str) -> dict[str, str]:
    """The trigger policy of a task with these inputs that runs on one status only."""
    return {"condition": f"inputs.parameter_values['status'] == '{status}'"}
