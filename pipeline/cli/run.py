"""`frostgate run`: the training pipeline."""

import json
import os
import sys
from typing import Annotated, Any

import typer

from pipeline.cli.history import print_causes, print_places
from pipeline.cli.options import ConfigFile, Json, Overrides, configured
from pipeline.config import Config
from pipeline.runners.results import RunSummary

EPILOG = (
    "Exit codes: 0 pushed or nothing new, 3 blocked, 4 held for a human, 2 bad configuration or data, 1 failure, 130 "
    "or 143 interrupted (the same command continues). Examples: frostgate run; frostgate run --set data.uri=FOLDER "
    "--set name=NAME; frostgate run --config FILE --json."
)


def run_command(
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
    again: Annotated[bool, typer.Option("--again", help="Run although no span is new since the last verdict.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the data and the nodes; start nothing.")] = False,
) -> None:
    """Train a classifier, judge it, and push and register it if it passes."""
    checked = configured(config, overrides)
    if dry_run:
        _print_plan(checked, as_json)
        return
    from pipeline.cli.live import progress_to
    from pipeline.runners.local import run

    with progress_to(sys.stderr) as progress:
        summary = run(checked, progress, again=again)
    if as_json:
        print(summary.model_dump_json(indent=2))
    else:
        _print_summary(summary)
    sys.stdout.flush()
    sys.stderr.flush()
    if summary.status == "interrupted":
        # Threads of Beam and TensorFlow would be waited for; everything that matters is on disk.
        os._exit(summary.exit_code)
    raise typer.Exit(summary.exit_code)


def _print_summary(summary: RunSummary) -> None:
    print(f"{summary.status.upper()}  {summary.message}")
    print_causes(summary)
    print_places(summary)


def _print_plan(config: Config, as_json: bool) -> None:
    from pipeline.resolve import resolve
    from pipeline.runners.console import output_to

    plan = resolve(config)
    with output_to(os.devnull):
        from pipeline.training import nodes

        ids = [node.id for node in nodes(plan)]
    if as_json:
        found: dict[str, Any] = {
            "uri": plan.data.uri,
            "format": plan.source.format,
            "classes": list(plan.source.classes),
        }
        found["spans"] = list(plan.source.spans)
        print(json.dumps({"data": found, "baseline": plan.baseline, "destination": plan.destination, "nodes": ids}))
        return
    spans = f", span {', '.join(map(str, plan.source.spans))}" if plan.source.spans else ""
    print(f"data: {plan.data.uri} ({plan.source.format}{spans}), classes {', '.join(plan.source.classes)}")
    print(f"champion to beat: {plan.baseline}")
    print(f"would be pushed to: {plan.destination}")
    print("nodes, unless they are in the cache:")
    for node_id in ids:
        print(f"  {node_id}")
