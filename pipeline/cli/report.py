"""`frostgate report`: a run's verdict again."""

from typing import Annotated

import typer

from pipeline.cli.history import one_run, print_causes, print_places
from pipeline.cli.options import ConfigFile, Json, Overrides, configured


def report_command(
    run: Annotated[str | None, typer.Argument(help="A run's id; the newest if none is given.")] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Show a run's verdict, every check of the gate, and where its card is."""
    summary = one_run(configured(config, overrides), run)
    if as_json:
        print(summary.model_dump_json(indent=2))
        return
    print(f"{summary.run_id}  {summary.status.upper()}  {summary.message}")
    for check in (summary.verdict or {}).get("checks", []):
        print(f"  {'FIRED' if check['fired'] else 'quiet'}  {check['code']:<4} {check['name']}: {check['detail']}")
    print_causes(summary)
    print_places(summary)
