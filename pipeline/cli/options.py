"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.config import Config, load

ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, as in data.uri=FOLDER; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def configured(file: Path | None, overrides: list[str] | None) -> Config:
    """Reads the configuration that a command was given.

    Raises:
        ConfigRefused: It cannot be used.
    """
    return load(str(file) if file else None, overrides or (), os.environ)
