"""Options that the commands for a cluster share."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from components.errors import DataRefused
from pipeline.cli.options import without_secret
from pipeline.runners.console import safe_output
from pipeline.runners.kubeflow.package import Package
from pipeline.runners.kubeflow.pipelines import UNTIL

if TYPE_CHECKING:
    from pipeline.runners.kubeflow.endpoint import Endpoint, RunPlan

_ENDPOINT_VARIABLE: Final = "KF_PIPELINES_ENDPOINT"
PackageFile = Annotated[Path, typer.Argument(metavar="FILE", help="What `frostgate compile` wrote.")]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="The Kubeflow Pipelines API, as in http://localhost:8888; default: KF_PIPELINES_ENDPOINT, then the "
        "cluster that this runs in, then the kube context.",
        show_default=False,
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", help="Of a multi-user installation.", show_default=False),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="A file with a bearer token; default: as the Kubeflow Pipelines client.",
        show_default=False,
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A run parameter, as in data_span=7; may be repeated."),
]
PipelineRoot = Annotated[
    str | None,
    typer.Option(
        "--pipeline-root", metavar="URI", help="Where artifacts are kept; default: the cluster's.", show_default=False
    ),
]
Experiment = Annotated[
    str | None, typer.Option("--experiment", help="Groups runs; default: the pipeline's name.", show_default=False)
]
ServiceAccount = Annotated[
    str | None, typer.Option("--service-account", help="The Kubernetes account of the steps.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be sent; connect to nobody.")]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what the client's imports print away from our output, and passwords out of what it prints later."""
    import warnings

    with warnings.catch_warnings(), safe_output():
        warnings.simplefilter("ignore")
        yield


def connected(url: str | None, namespace: str | None, token_file: Path | None) -> "Endpoint":
    """Connects as the options say.

    Raises:
        DataRefused: The address is none, the token cannot be read, or the server refuses.
    """
    url = _checked(url)
    with quiet():
        from pipeline.runners.kubeflow.endpoint import Endpoint

        return Endpoint(url, namespace, _token(token_file))


def plan(
    package: Package,
    name: str,
    parameters: list[str] | None,
    experiment: str | None,
    pipeline_root: str | None,
    service_account: str | None,
) -> "RunPlan":
    """Collects what a run is made with.

    Raises:
        DataRefused: A parameter is unknown or impossible.
    """
    with quiet():
        from pipeline.runners.kubeflow.endpoint import RunPlan

    without_secret("--pipeline-root", pipeline_root, "The cluster knows its bucket's credentials.")
    told = package.parameters(parameters or [])
    if told.get(UNTIL):
        from components.serving_log.days import window

        window(told[UNTIL], 1)
    return RunPlan(experiment or package.pipeline, name, told, pipeline_root, service_account)


def planned(package: Package, wanted: "RunPlan", url: str | None, namespace: str | None) -> dict[str, Any]:
    """What a dry run prints.

    Raises:
        DataRefused: The address is none.
    """
    url = _checked(url)
    defaults = {name: one.get("defaultValue") for name, one in package.definitions.items()}
    return {
        "endpoint": url or "",
        "namespace": namespace,
        "pipeline": package.pipeline,
        "version": package.version,
        "experiment": wanted.experiment,
        "name": wanted.name,
        "parameters": defaults | wanted.parameters,
        "pipeline_root": wanted.pipeline_root,
        "service_account": wanted.service_account,
    }


def _checked(url: str | None) -> str | None:
    """The address that is asked: of the option, or of the variable that the client reads as well."""
    source, url = ("--endpoint", url) if url else (_ENDPOINT_VARIABLE, os.environ.get(_ENDPOINT_VARIABLE))
    without_secret(source, url, "Name a file with a token: --token-file.")
    if source == "--endpoint" and url and not url.startswith(("http://", "https://")):
        raise DataRefused(f"{source} must begin with http:// or https://; received {url}. Try http://localhost:8888.")
    return url


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise DataRefused(f"--token-file {path}: expected a file with a token; it cannot be read.") from None
