"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from components.errors import DataRefused, has_credentials, public_address
from pipeline.config import Config, load

ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, as in data.uri=FOLDER; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def without_secret(option: str, address: str | None, way_out: str) -> None:
    """Refuses an address with credentials that would be shown.

    Args:
        option: Who gave it.
        address: What was given; None is fine.
        way_out: A sentence that says where the credentials belong.

    Raises:
        DataRefused: It has some.
    """
    if address and (has_credentials(address) or public_address(address) != address):
        raise DataRefused(
            f"{option} must hold no password, token or signature, for it is shown; received one. {way_out}"
        )


def configured(file: Path | None, overrides: list[str] | None) -> Config:
    """Reads the configuration that a command was given.

    Raises:
        ConfigRefused: It cannot be used.
    """
    return load(str(file) if file else None, overrides or (), os.environ)
