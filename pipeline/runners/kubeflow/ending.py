"""The step that runs when a run is over, however it ended: it tells whoever wants to know.

    python -m pipeline.runners.kubeflow.ending --pipeline NAME --run ID --status JSON

Posts one line to the address in FROSTGATE_NOTIFY_URL, as chat servers take it: `{"text": ...}`. Without the address it
only prints the line.
"""

import argparse
import json
import os
import sys
import urllib.request
from collections.abc import Sequence
from typing import Any, Final

# The run itself is one step of the compiled file, and this one comes after it.
TRAINING: Final = "training"
ENDED: Final = "Ended"
# The backend puts the run's id in its place.
RUN_ID: Final = "{{$.pipeline_job_uuid}}"
NOTIFY_URL: Final = "FROSTGATE_NOTIFY_URL"
_TIMEOUT_SECONDS: Final = 30
_WORDS: Final = {"COMPLETE": "is over", "CACHED": "is over", "FAILED": "failed", "CANCELED": "was cancelled"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Tells; returns 0, or 1 where nobody took the message, which the backend then tries again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", required=True, help="the pipeline's name")
    parser.add_argument("--run", required=True, help="the run's id")
    parser.add_argument("--status", required=True, help="JSON of the backend's PipelineTaskFinalStatus")
    told = parser.parse_args(arguments)
    line = sentence(told.pipeline, told.run, json.loads(told.status))
    print(line, flush=True)
    url = os.environ.get(NOTIFY_URL)
    return _post(url, line) if url else 0


def sentence(pipeline: str, run: str, status: dict[str, Any]) -> str:
    """Says how a run ended; what was decided about the model, its graph shows."""
    state = str(status.get("state", "unknown"))
    said = (status.get("error") or {}).get("message")
    return f"{pipeline}, run {run}, {_WORDS.get(state, f'ended as {state}')}{f': {said}' if said else ''}."


def _post(url: str, line: str) -> int:
    body = json.dumps({"text": line}).encode()
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS).close()
    except (OSError, ValueError) as error:
        # The address itself may be a secret, and Python's complaint about one that is none repeats it.
        reason = "it is no address" if isinstance(error, ValueError) else getattr(error, "reason", None) or error
        print(f"frostgate: {NOTIFY_URL} must take a POST of JSON; it did not ({reason}).", file=sys.stderr)
        return 1
    return 0


def add_end(spec: dict[str, Any], component: str, executor: str, container: dict[str, Any]) -> None:
    """Makes a compiled run one step of a pipeline whose last step comes whatever happened.

    Args:
        spec: JSON of a PipelineSpec; changed.
        component: What component names begin with.
        executor: What executor labels begin with.
        container: Image, environment and resources of the last step.
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
