"""The step that runs when a run is over, however it ended: it tells whoever wants to know.

    python -m pipeline.runners.kubeflow.ending --pipeline NAME [--look] --run ID --status JSON --endpoint ADDRESS
        [--until DAY] [--pushgateway ADDRESS]

Posts one line to the address in FROSTGATE_NOTIFY_URL, as chat servers take it: `{"text": ...}`. Without the address it
only prints the line. A gateway is told of a run that failed, broke off or was cancelled; of any other the run's own
steps told it. A look at the requests is told of as `frostgate monitor` tells: people hear of what failed or broke off
only, and nobody hears of another day.

A run that broke off and, now and then, one that came to its decision are both handed over as RUNNING: a run's state is
written by its steps' containers, so the step that was decided against and whose driver was the last is missing in it.
The API tells the two apart.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Final

from components.errors import DataRefused
from components.foreign import json_text
from components.monitoring import drift
from components.monitoring.metrics import broken_off
from components.monitoring.sending import send
from components.monitoring.settings import MonitoringSettings
from components.monitoring.webhook import notify
from pipeline.runners.console import run_safely
from pipeline.runners.kubeflow.outcome import ASKING

# The run itself is one step of the compiled file, and this one comes after it.
ENDED: Final = "Ended"
# The backend puts the run's id in its place.
RUN_ID: Final = "{{$.pipeline_job_uuid}}"
_OVER: Final = ("COMPLETE", "CACHED", "SUCCEEDED")
_CANCELED: Final = "CANCELED"
_RUNNING: Final = "RUNNING"
# The API hears of a step some seconds after it ended.
_ASK_AFTER_SECONDS: Final = (0.0, 5.0, 10.0, 20.0)
_WORDS: Final = {
    **dict.fromkeys(_OVER, "is over"),
    "FAILED": "failed",
    # Nobody writes a state down when a pod dies.
    _RUNNING: "broke off: a step was killed, ran out of time or could not start, or the run was stopped",
    _CANCELED: "was cancelled",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Tells; returns 0, or 1 where nobody took the message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", required=True, help="the pipeline's name")
    parser.add_argument("--run", required=True, help="the run's id")
    parser.add_argument("--status", required=True, help="JSON of the backend's PipelineTaskFinalStatus")
    parser.add_argument("--endpoint", required=True, help="address of the Kubeflow Pipelines API")
    parser.add_argument("--pushgateway", default="", help="address of a Pushgateway; none if it is left out")
    parser.add_argument("--only-broken-off", action="store_true", help="say nothing of what did not fail")
    parser.add_argument("--look", action="store_true", help="it was a look at the pipeline's requests")
    parser.add_argument("--until", default="", help="the look's last day; empty: the day on which it ran")
    told = parser.parse_args(arguments)
    status = json_text.parse(told.status)
    if status.get("state") == _RUNNING and not told.only_broken_off and _has_decided(told.endpoint, told.run):
        status = {"state": _OVER[0]}
    state = str(status.get("state"))
    if told.only_broken_off and state in _OVER:
        return 0
    line = sentence(f"{told.pipeline}, requests" if told.look else told.pipeline, told.run, status)
    print(line, flush=True)
    if told.until:
        return 0
    _said(_measured(told.pushgateway, told.pipeline, state, told.look))
    if told.look and state in (*_OVER, _CANCELED):
        return 0
    return 1 if _said(notify(line)) else 0


def sentence(pipeline: str, run: str, status: dict[str, Any]) -> str:
    """Says how a run ended; what was decided about the model, its graph shows."""
    state = str(status.get("state", "unknown"))
    said = (status.get("error") or {}).get("message")
    return f"{pipeline}, run {run}, {_WORDS.get(state, f'ended as {state}')}{f': {said}' if said else ''}."


def _has_decided(address: str, run: str) -> bool:
    """Whether the API shows that the run came to its decision; where it says nothing, the run did not."""
    # What the client and its imports warn of is nothing that a user can mend.
    warnings.simplefilter("ignore")
    # It takes seconds to import, and few runs need it.
    from pipeline.runners.kubeflow.endpoint import EndpointUnavailable, from_a_pod

    try:
        server = from_a_pod(address)
        for pause in _ASK_AFTER_SECONDS:
            time.sleep(pause)
            if server.has_decided(run):
                return True
    except DataRefused as error:
        _said([str(error)])
    except EndpointUnavailable as error:
        _said([f"{error.filename}: {error.strerror}."])
    except Exception as error:
        # Whatever the client stumbles over: people are to hear of the run all the same.
        _said([f"{address} could not be asked how the run ended ({type(error).__name__})."])
    return False


def _measured(pushgateway: str, pipeline: str, state: str, look: bool) -> tuple[str, ...]:
    if state in _OVER:
        return ()
    # What `frostgate run` would have ended with; a state that says nothing is no success.
    status, exit_code = ("interrupted", 143) if state == _CANCELED else ("failed", 1)
    if look:
        parts = drift.parts({"pipeline": pipeline, "status": status, "drift": None}, time.time())
    else:
        parts = broken_off(pipeline, status, exit_code, time.time())
    return send(MonitoringSettings(pushgateway=pushgateway), pipeline, parts)


def _said(warnings: Sequence[str]) -> bool:
    for one in warnings:
        print(f"frostgate: {one}", file=sys.stderr)
    return bool(warnings)


def add_end(
    spec: dict[str, Any],
    component: str,
    executor: str,
    container: dict[str, Any],
    endpoint: str,
    pushgateway: str,
    graph: str,
    told: Sequence[str],
    parameters: Iterable[str],
) -> None:
    """Makes a compiled run one step of a pipeline whose last step comes whatever happened.

    Args:
        spec: JSON of a PipelineSpec; changed.
        component: What component names begin with.
        executor: What executor labels begin with.
        container: Image and environment of the last step.
        endpoint: Address of the Kubeflow Pipelines API, as steps reach it.
        pushgateway: Address of a Pushgateway; empty: none.
        graph: What that one step is called.
        told: Arguments of the last step that are the same in every run.
        parameters: The run's, texts, that the last step is told.
    """
    root = spec["root"]
    definitions = root["inputDefinitions"]["parameters"]
    spec["components"][component + graph] = {
        "dag": root["dag"],
        "inputDefinitions": {
            "parameters": {name: {"parameterType": one["parameterType"]} for name, one in definitions.items()}
        },
    }
    spec["components"][component + ENDED] = {
        "executorLabel": executor + ENDED,
        "inputDefinitions": {
            "parameters": {
                "run": {"parameterType": "STRING"},
                "status": {"parameterType": "TASK_FINAL_STATUS"},
                **{name: {"parameterType": "STRING"} for name in parameters},
            }
        },
    }
    spec["deploymentSpec"]["executors"][executor + ENDED] = {
        "container": container
        | {
            "resources": ASKING,
            "command": ["python", "-m", __name__, "--endpoint", endpoint, *told],
            "args": [
                *("--run", "{{$.inputs.parameters['run']}}"),
                *("--status", "{{$.inputs.parameters['status']}}"),
                # In one word, for it may be empty.
                *(f"--{name}={{{{$.inputs.parameters['{name}']}}}}" for name in parameters),
                *(("--pushgateway", pushgateway) if pushgateway else ()),
            ],
        }
    }
    root["dag"] = {
        "tasks": {
            graph: {
                "taskInfo": {"name": graph},
                "componentRef": {"name": component + graph},
                "inputs": {"parameters": {name: {"componentInputParameter": name} for name in definitions}},
                "cachingOptions": {},
            },
            ENDED: {
                "taskInfo": {"name": ENDED},
                "componentRef": {"name": component + ENDED},
                "dependentTasks": [graph],
                "inputs": {
                    "parameters": {
                        "run": {"runtimeValue": {"constant": RUN_ID}},
                        "status": {"taskFinalStatus": {"producerTask": graph}},
                        **{name: {"componentInputParameter": name} for name in parameters},
                    }
                },
                "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
                "cachingOptions": {},
            },
        }
    }


if __name__ == "__main__":
    run_safely(main)
