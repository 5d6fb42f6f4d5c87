"""`frostgate prune`: old runs, models and metadata go."""

import dataclasses
import json
from typing import Annotated, Final

import typer

from pipeline.cli.history import no_run_in
from pipeline.cli.options import ConfigFile, Json, Overrides, configured
from pipeline.runners.summaries import runs_of

EPILOG: Final = (
    "The section `retention` says how many runs, served and registered versions are kept. Never removed: the champion, "
    "the version that a rollback goes back to, the run of the last verdict, and versions that a person acted on."
)


def prune_command(
    config: ConfigFile = None,
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go; remove nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Remove old runs, their artifacts and metadata, and old versions."""
    from pipeline.prune import Removal, prune

    def tell(removal: Removal) -> None:
        if not as_json:
            print(f"{_megabytes(removal.num_bytes):>10}  {removal.kind}: {removal.name}", flush=True)

    checked = configured(config, overrides)
    found = prune(checked, dry_run, tell)
    total = sum(removal.num_bytes for removal in found)
    if as_json:
        removed = [dataclasses.asdict(removal) for removal in found]
        print(json.dumps({"dry_run": dry_run, "num_bytes": total, "removed": removed}, indent=2))
    elif not found:
        print("Nothing is old enough to be removed." if any(runs_of(checked)) else no_run_in(checked))
    else:
        print(f"{_megabytes(total):>10}  {'would go; run it again without --dry-run' if dry_run else 'removed'}")


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB"
