"""The step that runs when a run is over, however it ended: it tells whoever wants to know.

    python -m pipeline.runners.kubeflow.ending --pipeline NAME --run ID --status JSON [--pushgateway ADDRESS]

Posts one line to the address in FROSTGATE_NOTIFY_URL, as chat servers take it: `{"text": ...}`. Without the address it
only prints the line. A gateway is told of a run that failed or was cancelled; of any other the run's own steps told it.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from components.monitoring.metrics import broken_off
from components.monitoring.sending import send
from components.monitoring.settings import MonitoringSettings
from components.monitoring.webhook import notify

# The run itself is one step of the compiled file, and this one comes after it.
TRAINING: Final = "training"
ENDED: Final = "Ended"
# The backend puts the run's id in its place.
RUN_ID: Final = "{{$.pipeline_job_uuid}}"
_OVER: Final = ("COMPLETE", "CACHED")
_WORDS: Final = {"COMPLETE": "is over", "CACHED": "is over", "FAILED": "failed", "CANCELED": "was cancelled"}
# State -> the status and the exit code that `frostgate run` would have ended with.
_BROKEN_OFF: Final = {"FAILED": ("failed", 1), "CANCELED": ("interrupted", 143)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Tells; returns 0, or 1 where nobody took the message, which the backend then tries again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", required=True, help="the pipeline's name")
    parser.add_argument("--run", required=True, help="the run's id")
    parser.add_argument("--status", required=True, help="JSON of the backend's PipelineTaskFinalStatus")
    parser.add_argument("--pushgateway", default="", help="address of a Pushgateway; none if it is left out")
    parser.add_argument("--only-broken-off", action="store_true", help="say nothing of what did not fail")
    told = parser.parse_args(arguments)
    status = json.loads(told.status)
    if told.only_broken_off and status.get("state") in _OVER:
        return 0
    line = sentence(told.pipeline, told.run, status)
    print(line, flush=True)
    _said(_measured(told.pushgateway, told.pipeline, str(status.get("state"))))
    return 1 if _said(notify(line)) else 0


def sentence(pipeline: str, run: str, status: dict[str, Any]) -> str:
    """Says how a run ended; what was decided about the model, its graph shows."""
    state = str(status.get("state", "unknown"))
    said = (status.get("error") or {}).get("message")
    return f"{pipeline}, run {run}, {_WORDS.get(state, f'ended as {state}')}{f': {said}' if said else ''}."


def _measured(pushgateway: str, pipeline: str, state: str) -> tuple[str, ...]:
    if state not in _BROKEN_OFF:
        return ()
    parts = broken_off(pipeline, *_BROKEN_OFF[state], time.time())
    return send(MonitoringSettings(pushgateway=pushgateway), pipeline, parts)


def _said(warnings: Sequence[str]) -> bool:
    for one in warnings:
        print(f"frostgate: {one}", file=sys.stderr)
    return bool(warnings)


def add_end(spec: dict[str, Any], component: str, executor: str, container: dict[str, Any], pushgateway: str) -> None:
    """Makes a compiled run one step of a pipeline whose last step comes whatever happened.

    Args:
        spec: JSON of a PipelineSpec; changed.
        component: What component names begin with.
        executor: What executor labels begin with.
        container: Image, environment and resources of the last step.
        pushgateway: Address of a Pushgateway; empty: none.
    """
    root = spec["root"]
    definitions = root["inputDefinitions"]["parameters"]
    spec["components"][component + TRAINING] = {
        "dag": root["dag"],
        "inputDefinitions": {
            "parameters": {name: {"parameterType": one["parameterType"]} for name, one in definitions.items()}
        },
    }
    spec["components"][component + ENDED] = {
        "executorLabel": executor + ENDED,
        "inputDefinitions": {
            "parameters": {"run": {"parameterType": "STRING"}, "status": {"parameterType": "TASK_FINAL_STATUS"}}
        },
    }
    spec["deploymentSpec"]["executors"][executor + ENDED] = {
        "container": container
        | {
            "command": ["python", "-m", __name__, "--pipeline", spec["pipelineInfo"]["name"]],
            "args": [
                *("--run", "{{$.inputs.parameters['run']}}"),
                *("--status", "{{$.inputs.parameters['status']}}"),
                *(("--pushgateway", pushgateway) if pushgateway else ()),
            ],
        }
    }
    root["dag"] = {
        "tasks": {
            TRAINING: {
                "taskInfo": {"name": TRAINING},
                "componentRef": {"name": component + TRAINING},
                "inputs": {"parameters": {name: {"componentInputParameter": name} for name in definitions}},
                "cachingOptions": {},
            },
            ENDED: {
                "taskInfo": {"name": ENDED},
                "componentRef": {"name": component + ENDED},
                "dependentTasks": [TRAINING],
                "inputs": {
                    "parameters": {
                        "run": {"runtimeValue": {"constant": RUN_ID}},
                        "status": {"taskFinalStatus": {"producerTask": TRAINING}},
                    }
                },
                "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
                "cachingOptions": {},
            },
        }
    }


if __name__ == "__main__":
    raise SystemExit(main())
