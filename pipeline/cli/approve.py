"""`frostgate approve`: a person answers for a model that the gate did not pass."""

import sys
from typing import Annotated, Final

import typer

from components.errors import DataRefused
from pipeline.cli.history import one_run
from pipeline.cli.options import ConfigFile, Json, Overrides, configured
from pipeline.cli.registry import NoServe, author, told
from pipeline.config import Config

EPILOG: Final = (
    "A held model needs a name and a reason. A blocked one needs every code that blocked it as well: "
    "frostgate approve RUN --by NAME --reason TEXT --override-code G3. Both are kept with the version for good."
)


def approve_command(
    run: Annotated[str, typer.Argument(help="A run's id, as `frostgate runs` shows it, or its version's number.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers for the model.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it may serve all the same.")],
    override_code: Annotated[
        list[str] | None,
        typer.Option("--override-code", metavar="CODE", help="A code that blocked the model; may be repeated."),
    ] = None,
    no_serve: NoServe = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Serve a held model on somebody's word, or a blocked one against the gate's."""
    if not by.strip() or not reason.strip():
        raise DataRefused("An approval needs a name and a reason that say something: --by NAME --reason TEXT.")
    from pipeline.registry_actions import approve

    checked = configured(config, overrides)
    number = run if run.isdigit() else _registered(checked, run)
    change = approve(checked, number, author(by, reason), override_code or (), serve=not no_serve)
    if override_code:
        codes = ", ".join(override_code)
        print(f"WARNING: {codes} BLOCKED THIS MODEL; IT SERVES ON THE WORD OF {by.upper()} ALONE.", file=sys.stderr)
    told(change, as_json)


def _registered(config: Config, run: str) -> str:
    found = one_run(config, run).registered_version
    if found is None:
        raise DataRefused(f"Run {run} registered no model, so there is nothing to approve; `frostgate report {run}`.")
    return found
