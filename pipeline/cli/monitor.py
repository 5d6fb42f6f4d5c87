"""`frostgate monitor`: does the served model still see what it learnt from?"""

import json
import os
import sys
from typing import Annotated, Final

import typer

from pipeline.cli.options import ConfigFile, Json, Overrides, configured
from pipeline.config import Config

EPILOG: Final = (
    "Exit codes: 0 quiet, 3 drift, 4 too few requests to tell, 2 refused, 1 failure, 130 or 143 interrupted. "
    "Example: frostgate monitor --set serving_log.uri=requests"
)


def monitor_command(
    config: ConfigFile = None,
    overrides: Overrides = None,
    until: Annotated[
        str, typer.Option("--until", metavar="YYYY-MM-DD", help="Last day of the window; today, UTC, if none is given.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be compared, and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Compare the log of requests with what the champion learnt from."""
    checked = configured(config, overrides)
    if dry_run:
        _print_plan(checked, until, as_json)
        return
    from pipeline.cli.live import progress_to
    from pipeline.runners.watching import look

    with progress_to(sys.stderr) as progress:
        summary = look(checked, until, progress)
    if as_json:
        print(summary.model_dump_json(indent=2))
    else:
        print(f"{summary.status.upper()}  {summary.message}")
        for name, value in (("page", summary.page), ("log", summary.log)):
            if value:
                print(f"  {name}: {value}")
        for warning in summary.warnings:
            print(f"  warning: {warning}")
    sys.stdout.flush()
    sys.stderr.flush()
    if summary.status == "interrupted":
        # Threads of Beam and TensorFlow would be waited for; everything that matters is on disk.
        os._exit(summary.exit_code)
    # A look at the past says nothing of today.
    if summary.status == "drift" and checked.drift.on_alert == "train" and not until:
        _train(checked, as_json)
    raise typer.Exit(summary.exit_code)


def _print_plan(config: Config, until: str, as_json: bool) -> None:
    from components.serving_log.days import window
    from pipeline.watching import look_up

    watch = look_up(config, until)
    days = window(watch.until, config.drift.num_days)
    if as_json:
        print(
            json.dumps(
                {"champion": watch.champion, "days": [day.isoformat() for day in days], "num_files": watch.num_files},
                indent=2,
            )
        )
        return
    print(f"requests: {config.serving_log.uri}, {days[0]} to {days[-1]}, {watch.num_files} files")
    print(f"compared with: version {watch.champion} of {watch.registry.model_name}")


def _train(config: Config, as_json: bool) -> None:
    """Starts a training run; what it says goes beside what the look said."""
    from pipeline.cli.live import progress_to
    from pipeline.runners.local import run

    with progress_to(sys.stderr) as progress:
        summary = run(config, progress)
    print(f"training: {summary.status.upper()}  {summary.message}", file=sys.stderr if as_json else sys.stdout)
