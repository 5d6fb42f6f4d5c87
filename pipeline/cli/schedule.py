"""`frostgate schedule`: recurring runs on a cluster."""

import json
from pathlib import Path
from typing import Annotated

import typer

from components.errors import DataRefused
from pipeline.cli import cluster
from pipeline.cli.options import Json
from pipeline.runners.kubeflow.branching import AGAIN
from pipeline.runners.kubeflow.package import read_package, six_fields
from pipeline.runners.kubeflow.pipelines import UNTIL

app = typer.Typer(
    help="Create, list, pause, resume and delete recurring runs on Kubeflow Pipelines.",
    no_args_is_help=True,
    add_completion=False,
)
Name = Annotated[str, typer.Argument(help="The schedule's name.")]
_ZONE = "UTC, unless the cluster sets CRON_SCHEDULE_TIMEZONE"


@app.command("create")
def create(
    cron: Annotated[
        str, typer.Option("--cron", help="Six fields, seconds first, or the usual five; '0 0 3 * * *' is 3:00 UTC.")
    ],
    package: cluster.PackageFile = Path("training.yaml"),
    name: Annotated[
        str | None, typer.Option("--name", help="Default: the pipeline's name.", show_default=False)
    ] = None,
    endpoint: cluster.EndpointUrl = None,
    parameters: cluster.Parameters = None,
    namespace: cluster.Namespace = None,
    experiment: cluster.Experiment = None,
    pipeline_root: cluster.PipelineRoot = None,
    service_account: cluster.ServiceAccount = None,
    token_file: cluster.TokenFile = None,
    dry_run: cluster.DryRun = False,
    as_json: Json = False,
) -> None:
    """Create a schedule, or replace the one of that name: one run at a time, missed times are not caught up."""
    given, fields = read_package(package), six_fields(cron)
    wanted = cluster.plan(given, name or given.pipeline, parameters, experiment, pipeline_root, service_account)
    if once := [key for key in (UNTIL, AGAIN) if wanted.parameters.get(key)]:
        raise DataRefused(
            f"--param {once[0]} is for one run, and a schedule would say it every time; received "
            f"{wanted.parameters[once[0]]}. Give it to `frostgate submit`."
        )
    if dry_run:
        sent = {"cron": fields, "max_concurrency": 1, "no_catchup": True}
        print(json.dumps(cluster.planned(given, wanted, endpoint, namespace) | sent, indent=2))
        return
    with cluster.quiet():
        from pipeline.runners.kubeflow.schedules import upsert

        done = upsert(cluster.connected(endpoint, namespace, token_file), given, wanted, fields)
    if as_json:
        print(json.dumps({"id": done.id, "new": done.is_new, "replaced": done.num_replaced}))
        return
    what = "is as it was" if not done.is_new else f"replaces {done.num_replaced}" if done.num_replaced else "is new"
    print(f"{wanted.name}: {fields} ({_ZONE}), {given.version}; the schedule {what}.")


@app.command("list")
def show(
    endpoint: cluster.EndpointUrl = None,
    namespace: cluster.Namespace = None,
    token_file: cluster.TokenFile = None,
    as_json: Json = False,
) -> None:
    """List the schedules."""
    with cluster.quiet():
        from pipeline.runners.kubeflow.schedules import listed

        found = listed(cluster.connected(endpoint, namespace, token_file))
    if as_json:
        print(json.dumps([vars(one) for one in found], indent=2))
        return
    for one in found:
        print(f"{one.name}  {one.cron or 'no cron'}  {'on' if one.is_enabled else 'paused'}  {one.id}")
    if not found:
        print("There are no schedules.")


@app.command("pause")
def pause(
    name: Name,
    endpoint: cluster.EndpointUrl = None,
    namespace: cluster.Namespace = None,
    token_file: cluster.TokenFile = None,
) -> None:
    """Let a schedule start no further runs."""
    _each(name, "pause", endpoint, namespace, token_file)


@app.command("resume")
def resume(
    name: Name,
    endpoint: cluster.EndpointUrl = None,
    namespace: cluster.Namespace = None,
    token_file: cluster.TokenFile = None,
) -> None:
    """Let a paused schedule start runs again."""
    _each(name, "resume", endpoint, namespace, token_file)


@app.command("delete")
def delete(
    name: Name,
    endpoint: cluster.EndpointUrl = None,
    namespace: cluster.Namespace = None,
    token_file: cluster.TokenFile = None,
) -> None:
    """Remove a schedule; its past runs stay."""
    _each(name, "delete", endpoint, namespace, token_file)


def _each(name: str, action: str, endpoint: str | None, namespace: str | None, token_file: Path | None) -> None:
    with cluster.quiet():
        from pipeline.runners.kubeflow.schedules import named

        server = cluster.connected(endpoint, namespace, token_file)
        for one in named(server, name):
            getattr(server, action)(one.id)
    print(f"{name}: {action}d.")
