"""`frostgate validate`: is this configuration usable, and are these data?"""

import json
from typing import Annotated, Any

import typer

from components.errors import DataRefused
from pipeline.cli.options import ConfigFile, Json, Overrides, configured
from pipeline.config import Config


def validate_command(
    config: ConfigFile = None,
    overrides: Overrides = None,
    data: Annotated[
        bool,
        typer.Option(
            "--data",
            help="Look for data and weights too: form, classes, splits. No picture is opened; a run does that.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a configuration, and with --data the source of the images; run nothing."""
    checked = configured(config, overrides)
    if checked.drift.thresholds:
        from pipeline.watching import check_thresholds

        check_thresholds(checked)
    found = _source(checked) if data else {}
    if as_json:
        print(json.dumps({"valid": True, **found}, indent=2))
        return
    print("The configuration is valid.")
    if found:
        splits = "splits of its own" if found["has_splits"] else f"{checked.data.eval_fraction:.0%} for validation"
        spans = f", span {', '.join(map(str, found['spans']))}" if found["spans"] else ""
        print(f"{found['uri']}: {found['format']}{spans}, {splits}, {len(found['classes'])} classes:")
        print(f"  {', '.join(found['classes'])}")


def _source(config: Config) -> dict[str, Any]:
    from components.ingest.sources import classes_of, label_faults, list_source
    from pipeline.resolve import folders_of, located, weights_fingerprint

    weights_fingerprint(config)
    data = located(config.data, folders_of(config))
    listing = list_source(data)
    classes = classes_of(listing, data)
    if faults := label_faults(listing, classes):
        raise DataRefused(
            f"The labels of {data.uri} do not fit its classes: {'; '.join(faults)}. Correct data.classes or the "
            "labels: the run would stop before training."
        )
    return {
        "uri": data.uri,
        "format": listing.format,
        "classes": list(classes),
        "has_splits": listing.has_splits,
        "spans": list(listing.spans),
        "fingerprint": listing.fingerprint,
    }
