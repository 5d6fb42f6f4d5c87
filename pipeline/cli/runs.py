"""`frostgate runs`: what was run."""

import json
import sys

from pipeline.cli.history import no_run_in
from pipeline.cli.options import ConfigFile, Json, Overrides, configured
from pipeline.runners.results import RunSummary
from pipeline.runners.summaries import runs_of


def runs_command(config: ConfigFile = None, overrides: Overrides = None, as_json: Json = False) -> None:
    """List a pipeline's runs, oldest first."""
    checked = configured(config, overrides)
    found = list(runs_of(checked))
    if as_json:
        print(json.dumps([summary.model_dump(mode="json") for summary in found], indent=2))
        return
    if not found:
        print(no_run_in(checked))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for heading in ("run", "status", "validation accuracy", "served", "registered", "seconds"):
        table.add_column(heading, no_wrap=True)
    for summary in found:
        table.add_row(
            summary.run_id,
            summary.status,
            _accuracy(summary),
            summary.served_version or "",
            summary.registered_version or "",
            f"{summary.seconds:.0f}",
        )
    # A line is a run, in a pipe too, where the width would be guessed.
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _accuracy(summary: RunSummary) -> str:
    measured = ((summary.verdict or {}).get("measurements") or {}).get("C")
    return f"{measured['value']:.3f}" if measured else ""
