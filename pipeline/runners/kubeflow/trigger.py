"""The step that starts a training run after an alert.

    python -m pipeline.runners.kubeflow.trigger --endpoint ADDRESS --pipeline NAME --run ID [--until DAY]

The run is of the newest version of the training pipeline that was uploaded, with the values that were compiled into it,
in the look's own experiment, with its pipeline root and its service account where the server tells them. It is named
after the look, so that a step which is tried again starts none twice; and while a training run that an alert started
goes on, no other is started. A look at another day than today starts nothing.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.errors import DataRefused
from pipeline.config import Config
from pipeline.runners.console import run_safely
from pipeline.runners.kubeflow.ending import RUN_ID
from pipeline.runners.kubeflow.facts import Facts
from pipeline.runners.kubeflow.looks import LOOK_DECIDED_BY, TRAIN
from pipeline.runners.kubeflow.outcome import ASKING, PARAMETERS, decided, if_status
from pipeline.runners.kubeflow.pipelines import UNTIL
from pipeline.runners.kubeflow.steps import retried

if TYPE_CHECKING:
    from pipeline.runners.kubeflow.endpoint import Endpoint


def main(arguments: Sequence[str] | None = None) -> int:
    """Starts the run; returns 0 where there is one now, 2 where it is refused, 1 where nobody answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, help="address of the Kubeflow Pipelines API")
    parser.add_argument("--pipeline", required=True, help="the training pipeline's name")
    parser.add_argument("--run", required=True, help="the look's run id")
    parser.add_argument("--until", default="", help="the look's last day; empty: the day on which it ran")
    told = parser.parse_args(arguments)
    if told.until:
        print("A look at another day than today starts no training run.", flush=True)
        return 0
    # What the client and its imports warn of is nothing that a user can mend.
    warnings.simplefilter("ignore")
    # It takes seconds to import; a missing argument is told before.
    from pipeline.runners.kubeflow.endpoint import EndpointUnavailable, from_a_pod

    try:
        print(started(from_a_pod(told.endpoint), told.pipeline, told.run), flush=True)
    except DataRefused as error:
        print(f"frostgate: {error}", file=sys.stderr)
        return 2
    except EndpointUnavailable as error:
        print(f"frostgate: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


def started(server: "Endpoint", pipeline: str, run_id: str) -> str:
    """Makes sure that a training run is there for a look.

    Args:
        server: Where the look runs.
        pipeline: The training pipeline's name.
        run_id: The look's.

    Returns:
        A sentence with the run's address.

    Raises:
        DataRefused: No training pipeline of this name was uploaded, or the server refuses.
        EndpointUnavailable: The server does not answer.
    """
    from pipeline.runners.kubeflow.endpoint import RunPlan

    look, ours = server.run(run_id), f"{pipeline} after "
    before = [one for one in server.runs(look.experiment_id, ours) if one.display_name.startswith(ours)]
    for one in before:
        if one.display_name == ours + run_id:
            return f"The training run was started before: {server.link(one.run_id)}"
    for one in before:
        if server.goes_on(one):
            return f"A training run that an alert started goes on, so none is started: {server.link(one.run_id)}"
    newest = server.newest_version(pipeline)
    if newest is None:
        raise DataRefused(
            f"An alert starts a run of the training pipeline {pipeline}, and {server.host} has none of this name. "
            "Compile it, and upload it once with `frostgate submit` or `frostgate schedule create`."
        )
    root = look.runtime_config.pipeline_root if look.runtime_config else None
    plan = RunPlan(look.experiment_id, ours + run_id, {}, root or None, look.service_account or None)
    new = server.start_version(*newest, plan)
    return f"A training run was started: {server.link(new)}"


def is_wanted(facts: Facts) -> bool:
    """Whether the pipeline has the step."""
    return facts.pipeline == "monitoring" and facts.config.drift.on_alert == "train"


def add_trigger(spec: dict[str, Any], component: str, executor: str, container: dict[str, Any], config: Config) -> None:
    """Adds the step to a compiled specification.

    Args:
        spec: JSON of a PipelineSpec; changed.
        component: What component names begin with.
        executor: What executor labels begin with.
        container: Image and environment of the step.
        config: The compiled one.
    """
    inputs = {name: {"parameterType": "STRING"} for name in ("run", UNTIL, *PARAMETERS)}
    spec["components"][component + TRAIN] = {
        "executorLabel": executor + TRAIN,
        "inputDefinitions": {"parameters": inputs},
    }
    spec["deploymentSpec"]["executors"][executor + TRAIN] = {
        "container": container
        | {
            "command": ["python", "-m", __name__, "--endpoint", config.kubeflow.endpoint, "--pipeline", config.name],
            # In one word, for it may be empty.
            "args": ["--run", "{{$.inputs.parameters['run']}}", f"--until={{{{$.inputs.parameters['{UNTIL}']}}}}"],
            "resources": ASKING,
        }
    }
    spec["root"]["dag"]["tasks"][TRAIN] = {
        "taskInfo": {"name": TRAIN},
        "componentRef": {"name": component + TRAIN},
        "dependentTasks": [LOOK_DECIDED_BY],
        "inputs": {
            "parameters": {
                "run": {"runtimeValue": {"constant": RUN_ID}},
                UNTIL: {"componentInputParameter": UNTIL},
                **decided(LOOK_DECIDED_BY),
            }
        },
        "triggerPolicy": if_status("drift"),
        "cachingOptions": {},
        **retried(config.kubeflow.retries, config.kubeflow.timeout_seconds),
    }


if __name__ == "__main__":
    run_safely(main)
