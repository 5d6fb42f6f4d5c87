"""`frostgate registry`: the versions, the champion, and moving the one to the other by hand."""

import dataclasses
import getpass
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from components.registry import champions
from components.registry.protocol import (
    ACCURACY,
    APPROVED,
    AUDIT,
    CODES,
    DECISION,
    WITHDRAWN,
    RegisteredVersion,
)
from pipeline.cli.options import ConfigFile, Json, Overrides, configured

if TYPE_CHECKING:
    from components.kserve.manifest import InferenceService

EPILOG: Final = (
    "The registry is that of --config and --set, as for `frostgate run`. Exit codes: 0 done, 2 refused, 1 the registry "
    "or the cluster cannot be reached, or somebody else moved the champion meanwhile."
)
app = typer.Typer(
    help="List registered models, show one, move the champion by hand, and serve it with KServe.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Number = Annotated[str, typer.Argument(metavar="VERSION", help="The version's number, as `registry list` shows it.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does it; the user of this machine if not given.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the version.")]
NoServe = Annotated[
    bool,
    typer.Option("--no-serve", help="Move the alias alone: the folder of served versions is not reached from here."),
]


@app.command("list")
def list_command(config: ConfigFile = None, overrides: Overrides = None, as_json: Json = False) -> None:
    """List the registered versions, oldest first."""
    from pipeline.registry_actions import registry_of

    found = registry_of(configured(config, overrides)).versions()
    if as_json:
        print(json.dumps([_document(one) for one in found], indent=2))
        return
    if not found:
        print("Nothing is registered yet; `frostgate run` registers every model that it judges.")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for heading in ("version", "decision", "codes", "validation accuracy", "registered", ""):
        table.add_column(heading, no_wrap=True)
    for one in found:
        tags = one.tags
        table.add_row(
            one.version,
            tags.get(DECISION, "by hand"),
            tags.get(CODES, ""),
            tags.get(ACCURACY, ""),
            _moment(one),
            _standing(one),
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


@app.command("show")
def show_command(
    number: Annotated[str | None, typer.Argument(metavar="VERSION", help="Its number; the champion if none.")] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Show everything that the registry knows about a version."""
    from components.errors import DataRefused
    from pipeline.registry_actions import registry_of

    registry = registry_of(configured(config, overrides))
    found = registry.version(number) if number else registry.champion()
    if found is None:
        raise DataRefused("There is no champion yet. `frostgate registry list` shows the versions there are.")
    if as_json:
        print(json.dumps(_document(found), indent=2))
        return
    print(f"version {found.version}  {found.tags.get(DECISION, 'registered by hand')}  {_standing(found)}".rstrip())
    print(f"  registered: {_moment(found)}")
    print(f"  files: {found.source}")
    for key, value in sorted(found.tags.items()):
        if value and not key.startswith((AUDIT, "mlflow.")):
            print(f"  {key.removeprefix('frostgate.')}: {value}")
    for entry in champions.audited(found.tags):
        print(f"  {entry['at']}  {entry['action']} by {entry['by']}: {entry['reason'] or 'no reason given'}")


@app.command("promote")
def promote_command(
    number: Number,
    by: By = "",
    reason: Reason = "",
    no_serve: NoServe = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Make a version that passed the gate the champion, and serve it."""
    from pipeline.registry_actions import promote

    told(promote(configured(config, overrides), number, author(by, reason), serve=not no_serve), as_json)


@app.command("rollback")
def rollback_command(
    by: By = "",
    reason: Reason = "",
    no_serve: NoServe = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Take the champion back: the one before it becomes champion again, and no run serves the other by itself."""
    from pipeline.registry_actions import rollback

    told(rollback(configured(config, overrides), author(by, reason), serve=not no_serve), as_json)


@app.command("manifest")
def manifest_command(
    file: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there.", show_default=False)
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Apply it to the cluster of the kubeconfig.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --apply: the cluster checks it and keeps nothing.")
    ] = False,
    canary: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100,
            metavar="PERCENT",
            help="Requests that it gets; default: kserve.canary_percent.",
            show_default=False,
        ),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Print the champion's InferenceService for KServe, or apply it."""
    from components.errors import DataRefused
    from components.kserve.manifest import text
    from pipeline.kserve import champions_manifest
    from pipeline.registry_actions import registry_of

    if dry_run and not apply:
        raise DataRefused("--dry-run says how to apply a manifest; received it without --apply. Give both, or neither.")
    checked = configured(config, overrides)
    service = champions_manifest(checked, registry_of(checked).champion(), canary)
    if file:
        file.write_text(text(service), encoding="utf-8")
    if apply:
        _apply(service, dry_run)
    elif not file:
        print(text(service), end="")


def _apply(service: "InferenceService", dry_run: bool) -> None:
    from components.kserve.cluster import apply  # Imports the cluster's client, which takes half a second.

    held = apply(service, dry_run)
    done = "would be applied" if dry_run else "is applied"
    print(f"InferenceService {held['metadata']['namespace']}/{held['metadata']['name']} {done}.")
    print(f"  serves: {service.spec.predictor.model.storage_uri}")


def author(by: str, reason: str) -> Any:
    """Says who acts."""
    from pipeline.registry_actions import Author

    return Author(by or getpass.getuser(), reason)


def told(change: Any, as_json: bool) -> None:
    """Prints what came of an action."""
    if as_json:
        print(json.dumps(dataclasses.asdict(change), indent=2))
        return
    if change.before == change.champion:
        print(f"Version {change.champion} is the champion already.")
    else:
        print(f"Version {change.champion} is the champion now; before: {change.before or 'none'}.")
    if change.served_version:
        print(f"  served version: {change.served_version}")


def _document(version: RegisteredVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "champion": version.is_champion,
        "registered": _moment(version),
        "source": version.source,
        "run_id": version.run_id,
        "tags": {key: value for key, value in sorted(version.tags.items()) if not key.startswith(AUDIT)},
        "audit": champions.audited(version.tags),
    }


def _standing(version: RegisteredVersion) -> str:
    words = ["champion"] if version.is_champion else []
    if version.tags.get(WITHDRAWN):
        return ", ".join([*words, f"taken back by {version.tags[WITHDRAWN]}"])
    words += [f"approved by {version.tags[APPROVED]}"] if version.tags.get(APPROVED) else []
    return ", ".join(words)


def _moment(version: RegisteredVersion) -> str:
    return datetime.fromtimestamp(version.created / 1000, UTC).isoformat(timespec="seconds")
