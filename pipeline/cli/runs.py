"""`frostgate runs`: what was run."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic import BaseModel

from pipeline.cli.history import no_run_in
from pipeline.cli.options import ConfigFile, Json, Overrides, configured
from pipeline.runners.results import LookSummary, RunSummary
from pipeline.runners.summaries import looks_of, runs_of

_NO_LOOK = "No look at the log of requests yet; `frostgate monitor` takes one."


def runs_command(
    config: ConfigFile = None,
    overrides: Overrides = None,
    monitoring: Annotated[
        bool, typer.Option("--monitoring", help="List the looks that `frostgate monitor` took instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List a pipeline's runs, oldest first."""
    checked = configured(config, overrides)
    if monitoring:
        looks = list(looks_of(checked))
        rows = [("look", "status", "requests", "last day", "what it found"), *map(_look, looks)]
        _print(looks, rows, as_json, _NO_LOOK)
    else:
        runs = list(runs_of(checked))
        rows = [("run", "status", "validation accuracy", "served", "registered", "seconds"), *map(_run, runs)]
        _print(runs, rows, as_json, no_run_in(checked))


def _run(summary: RunSummary) -> tuple[str, ...]:
    return (
        summary.run_id,
        summary.status,
        _accuracy(summary),
        summary.served_version or "",
        summary.registered_version or "",
        # Nobody wrote down how long one took that was killed.
        f"{summary.seconds:.0f}" if summary.seconds else "",
    )


def _look(summary: LookSummary) -> tuple[str, ...]:
    return (summary.run_id, summary.status, *_window(summary), summary.message)


def _print(found: Sequence[BaseModel], rows: Sequence[Sequence[str]], as_json: bool, nothing: str) -> None:
    if as_json:
        print(json.dumps([summary.model_dump(mode="json") for summary in found], indent=2))
        return
    if not found:
        print(nothing)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    *short, last = rows[0]
    for heading in short:
        table.add_column(heading, no_wrap=True, min_width=max(len(row[len(table.columns)]) for row in rows))
    # Sentences, in one of the tables; on a screen they go on below.
    table.add_column(last, no_wrap=not sys.stdout.isatty())
    for row in rows[1:]:
        table.add_row(*row)
    # In a pipe a line is a run, however long.
    Console(width=None if sys.stdout.isatty() else 10_000).print(table)


def _window(summary: LookSummary) -> tuple[str, str]:
    log = (summary.drift or {}).get("log")
    return (str(log["num_requests"]), log["days"][-1]) if log else ("", "")


def _accuracy(summary: RunSummary) -> str:
    measured = ((summary.verdict or {}).get("measurements") or {}).get("C")
    return f"{measured['value']:.3f}" if measured else ""
