"""`frostgate config`: what may be set, and what is."""

import json

import typer

from pipeline.cli.options import ConfigFile, Overrides, configured
from pipeline.config import effective_yaml, json_schema

app = typer.Typer(help="Show what may be set, and what is.", no_args_is_help=True)


@app.command("show")
def show(config: ConfigFile = None, overrides: Overrides = None) -> None:
    """Print every setting's effective value with its meaning, as a YAML file that --config reads."""
    print(effective_yaml(configured(config, overrides)), end="")


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of a configuration file, for editors."""
    print(json.dumps(json_schema(), indent=2))
