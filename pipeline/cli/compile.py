"""`frostgate compile`: a pipeline as a file for Kubeflow Pipelines."""

import os
from pathlib import Path
from typing import Annotated

import typer

from components.errors import DataRefused
from pipeline.cli.options import ConfigFile, Overrides, configured
from pipeline.runners.kubeflow.checks import check
from pipeline.runners.kubeflow.package import read_package
from pipeline.runners.kubeflow.pipelines import PipelineName

EPILOG = (
    "Example: frostgate compile --config kubeflow.yaml --set kubeflow.image=REGISTRY/frostgate@sha256:DIGEST "
    "-o training.yaml. The file is uploaded by `frostgate submit`, or by hand in the user interface."
)


def compile_command(
    config: ConfigFile = None,
    overrides: Overrides = None,
    pipeline: Annotated[
        PipelineName,
        typer.Option("--pipeline", help="What `frostgate run` runs, or what `frostgate monitor` runs."),
    ] = "training",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The file to write; - for standard output; default: training.yaml or monitoring.yaml.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compile a pipeline for open-source Kubeflow Pipelines; nothing is run or sent."""
    checked = configured(config, overrides)
    output = output or Path(f"{pipeline}.yaml")
    if output.exists():
        _refuse_to_replace(output)
    check(checked, pipeline)  # Before TFX is imported, which takes seconds.
    from pipeline.runners.console import output_to

    with output_to(os.devnull):
        from pipeline.runners.kubeflow.compiling import compile_pipeline

        compiled = compile_pipeline(checked, pipeline)
    if str(output) == "-":
        print(compiled.to_yaml(), end="")
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(compiled.to_yaml(), encoding="utf-8")
    names = ", ".join(compiled.spec["root"]["inputDefinitions"]["parameters"])
    print(f"{output}: {compiled.num_steps} steps. A run may set {names}.")


def _refuse_to_replace(output: Path) -> None:
    try:
        read_package(output)
    except DataRefused:
        raise DataRefused(
            f"-o {output} must be a new file or a compiled pipeline, which is replaced; it is something else. Choose "
            "another name."
        ) from None
