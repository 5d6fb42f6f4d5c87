"""`frostgate predict`: what does the served model say of these pictures?"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from components.errors import DataRefused
from pipeline.cli.options import ConfigFile, Json, Overrides, configured
from pipeline.config import Config

EPILOG: Final = (
    "Without --model and --server the newest version in the push destination of --config and --set answers. Exit "
    "codes: 0 every picture has an answer, 2 some have none (they are named) or nothing could be asked."
)


def predict_command(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures, or folders of pictures.")],
    model: Annotated[Path | None, typer.Option("--model", metavar="DIR", help="A version's folder to ask.")] = None,
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL", help="A TensorFlow Serving REST address to ask instead.")
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Ask a served model about pictures."""
    checked = configured(config, overrides)
    if model and server:
        raise DataRefused("--model and --server are two ways to ask; give one of them.")
    pictures = [(str(path), path.read_bytes()) for path in _files(images)]
    from components.predict.asking import predict

    if server:
        from components.predict.rest import connect

        ask = connect(server, checked.registry.model_name or checked.name)
    else:
        from components.predict.local import load

        ask = load(model or _newest(checked))
    found = list(predict(pictures, ask))
    missing = [one for one in found if one.answer is None]
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=2))
    else:
        for one in found:
            if one.answer:
                print(f"{one.uri}  {one.answer.class_name}  {max(one.answer.probabilities):.3f}")
    for one in missing:
        print(f"frostgate: {one.uri} has no answer: {one.error}", file=sys.stderr)
    raise typer.Exit(2 if missing else 0)


def _files(images: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in images:
        if not path.exists():
            raise DataRefused(f"{path} must be a picture or a folder of pictures; there is none.")
        found += sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    if not found:
        raise DataRefused(f"{images[0]} holds no file.")
    return found


def _newest(config: Config) -> Path:
    from components.pusher.versions import versions
    from pipeline.resolve import push_destination

    root = Path(push_destination(config))
    numbers = versions(root) if root.is_dir() else ()
    if not numbers:
        raise DataRefused(
            f"Nothing was pushed to {root} yet; `frostgate run` does, or --model names a version's folder."
        )
    return root / str(numbers[-1])
