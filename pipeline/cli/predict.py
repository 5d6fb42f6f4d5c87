"""`frostgate predict`: what does the served model say of these pictures?"""

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from components.errors import DataRefused
from components.foreign.files import Unreadable, read_bytes
from pipeline.cli.options import ConfigFile, Json, Overrides, configured, without_secret
from pipeline.config import Config

if TYPE_CHECKING:
    from components.predict.asking import Prediction
    from components.serving_log.settings import ServingLogSettings

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
    log: Annotated[
        bool,
        typer.Option("--log", help="Keep requests and answers where serving_log.uri says, for `frostgate monitor`."),
    ] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Ask a served model about pictures."""
    checked = configured(config, overrides)
    without_secret("--server", server, "Ask it from where it needs none.")
    if model and server:
        raise DataRefused("--model and --server are two ways to ask; give one of them.")
    if log and not checked.serving_log.uri:
        raise DataRefused("--log keeps requests where serving_log.uri says; it is empty: --set serving_log.uri=FOLDER.")
    pictures = [(str(path), _read(path, checked.data.max_bytes)) for path in _files(images)]
    from pipeline.runners.console import output_to

    with output_to(os.devnull):
        found, kept = _asked(checked, model, server, pictures, log)
    missing = [one for one in found if one.answer is None]
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=2))
    else:
        for one in found:
            if one.answer:
                print(f"{one.uri}  {one.answer.class_name}  {max(one.answer.probabilities):.3f}")
    for one in missing:
        print(f"frostgate: {one.uri} has no answer: {one.error}", file=sys.stderr)
    if log:
        print(f"frostgate: {kept}", file=sys.stderr)
    raise typer.Exit(2 if missing else 0)


def _asked(
    config: Config, model: Path | None, server: str | None, pictures: list[tuple[str, bytes]], log: bool
) -> "tuple[list[Prediction], str]":
    """Returns the answers, and what became of the log, in a sentence."""
    from components.predict.asking import predict

    if server:
        from components.predict.rest import connect

        ask = connect(server, config.registry.model_name or config.name)
    else:
        from components.predict.local import load
        from components.pusher.versions import damage

        model = model or _newest(config)
        if differences := damage(model):
            raise DataRefused(
                f"{differences[0]}, so this is not the model that was judged. `frostgate run` pushes that one anew, "
                "and --model names another version's folder."
            )
        ask = load(model)
    found = list(predict(pictures, ask))
    return found, _kept(config.serving_log, model, dict(pictures), found) if log else ""


def _kept(
    settings: "ServingLogSettings", model: Path | None, pictures: dict[str, bytes], found: "list[Prediction]"
) -> str:
    from components.push_gate.fingerprint import weights_fingerprint
    from components.serving_log.writer import ServingLog

    with ServingLog(settings, (model and weights_fingerprint(str(model))) or "") as log:
        for one in found:
            if one.answer:
                log.record(pictures[one.uri], one.answer.class_name, max(one.answer.probabilities))
    lost = f", {log.num_lost} could not be ({log.why_lost})" if log.num_lost else ""
    return f"{log.num_kept} of {log.num_asked} requests are kept in {settings.uri}{lost}."


def _files(images: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in images:
        if not path.exists():
            raise DataRefused(f"{path} must be a picture or a folder of pictures; there is none.")
        found += sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    if not found:
        raise DataRefused(f"{images[0]} holds no file.")
    return found


def _read(path: Path, most: int) -> bytes:
    try:
        return read_bytes(path, most)
    except Unreadable as error:
        raise DataRefused(f"{path} must be a picture; it {error}.") from None


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
