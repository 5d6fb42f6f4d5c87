"""`frostgate submit`: a run on a cluster."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import cluster
from pipeline.cli.options import Json
from pipeline.runners.kubeflow.package import read_package

if TYPE_CHECKING:
    from pipeline.runners.kubeflow.endpoint import Ended, Step

EPILOG = (
    "Exit codes: 0 pushed or nothing new, 3 blocked, 4 held for a human, 2 refused by the server (login, rights, "
    "parameters), 1 a run that failed, no decision or no answer, 130 cancelled; of a look at the requests 0 quiet, "
    "3 drift, 4 undecided. Example: frostgate submit training.yaml --endpoint http://localhost:8888 "
    "--param data_uri=s3://bucket/pictures"
)
_EXIT_CODES = {
    **{"pushed": 0, "unchanged": 0, "blocked": 3, "held": 4},
    **{"quiet": 0, "drift": 3, "undecided": 4},
    **{"refused": 2, "failed": 1, "interrupted": 130},
}


def submit_command(
    package: cluster.PackageFile = Path("training.yaml"),
    endpoint: cluster.EndpointUrl = None,
    parameters: cluster.Parameters = None,
    namespace: cluster.Namespace = None,
    experiment: cluster.Experiment = None,
    pipeline_root: cluster.PipelineRoot = None,
    service_account: cluster.ServiceAccount = None,
    token_file: cluster.TokenFile = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run to its end.")] = True,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait, at most; the run goes on.")] = 86_400.0,
    every: Annotated[float, typer.Option("--every", help="Seconds between two looks.")] = 10.0,
    dry_run: cluster.DryRun = False,
    as_json: Json = False,
) -> None:
    """Run a compiled pipeline on Kubeflow Pipelines, and follow it."""
    given = read_package(package)
    name = f"{given.pipeline} {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"
    wanted = cluster.plan(given, name, parameters, experiment, pipeline_root, service_account)
    if dry_run:
        print(json.dumps(cluster.planned(given, wanted, endpoint, namespace), indent=2))
        return
    with cluster.quiet():
        server = cluster.connected(endpoint, namespace, token_file)
        run_id = server.start(given, wanted)
        link = server.link(run_id)
        print(f"{given.version}: {link}", file=sys.stderr)
        if not wait:
            _print({"run_id": run_id, "link": link, "version": given.version}, as_json, link)
            return
        ended = server.wait(run_id, given.steps, timeout, every, _progress)
    _print(_document(ended, run_id, link, given.version), as_json, f"{ended.status.upper()}  {ended.message}")
    raise typer.Exit(_EXIT_CODES[ended.status])


def _progress(step: "Step") -> None:
    print(f"  {step.name}: {step.state.lower()}", file=sys.stderr, flush=True)


def _document(ended: "Ended", run_id: str, link: str, version: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "link": link,
        "version": version,
        "status": ended.status,
        "message": ended.message,
        "steps": {step.name: step.state for step in ended.steps},
    }


def _print(document: dict[str, Any], as_json: bool, line: str) -> None:
    print(json.dumps(document, indent=2) if as_json else line)
