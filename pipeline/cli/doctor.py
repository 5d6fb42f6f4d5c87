"""`frostgate doctor`: a verdict and its causes for a model that some other code trained."""

import json
import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from components.confinement.limits import DEFAULT_MINUTES, Limits, default_memory_bytes
from components.doctor.confined import examine_confined
from components.errors import DataRefused
from pipeline.cli.options import Json, without_secret
from pipeline.config_rules import STORE_CREDENTIALS

EPILOG = (
    "DATA is an .npz with x (what the model takes) and y (class indices), or pictures: a folder with a sub-folder for "
    "each class, or a glob of TFRecords. Exit codes: 0 passed, 3 blocked, 4 held for a human, 2 bad model or data. "
    "The model is never changed, and no code that it brings along is run. It is examined by a process without network "
    "that may only write in a folder of its own and has limits; beyond them, or where it crashes, the exit code is 2. "
    "Example: frostgate doctor model.keras --train photos/train --eval photos/val."
)


def doctor_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A .keras file or a SavedModel folder.")],
    train: Annotated[str, typer.Option("--train", metavar="DATA", help="What the model was trained on.")],
    evaluation: Annotated[str, typer.Option("--eval", metavar="DATA", help="What it was not trained on.")],
    as_json: Json = False,
    card: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as an HTML page, too.")] = None,
    image_size: Annotated[
        int | None, typer.Option(min=1, help="Side that pictures are resized to. [default: what the model says]")
    ] = None,
    preprocess: Annotated[
        Literal["auto", "none", "unit", "tf", "caffe", "torch"],
        typer.Option(help="How pictures are scaled; auto: as the model gets most training pictures right."),
    ] = "auto",
    source_backbone: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="What MODEL was made from (.keras, or .h5 as Keras downloads it): is what is frozen as it was?",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="The training batch size; BatchNorm depends on it.")] = 32,
    max_memory: Annotated[
        float | None,
        typer.Option(
            metavar="GB",
            min=0.1,
            help="Memory that examining may take. [default: 80 % of what is available]",
            show_default=False,
        ),
    ] = None,
    max_minutes: Annotated[float, typer.Option(min=0.01, help="Time that examining may take.")] = DEFAULT_MINUTES,
) -> None:
    """Judge a Keras classifier by the gate's rule, and say what is wrong with it."""
    options = {"MODEL": model, "--train": train, "--eval": evaluation, "--source-backbone": source_backbone}
    for option, given in options.items():
        without_secret(option, given if given and "://" in given else None, STORE_CREDENTIALS)
    if card:
        # Now, not after minutes of work.
        if card.is_dir():
            raise DataRefused(f"--card must be a file; {card} is a folder.")
        card.parent.mkdir(parents=True, exist_ok=True)
        card.touch()
    family = None if preprocess == "auto" else preprocess
    limits = _limits(max_memory, max_minutes)
    examined = examine_confined(model, train, evaluation, image_size, family, batch_size, source_backbone, limits)
    if card:
        from components.card.render import render

        card.write_text(render(examined.verdict, {}, None), encoding="utf-8")
    print(json.dumps(examined.document, indent=2) if as_json else examined.text)
    raise typer.Exit(examined.exit_code)


def _limits(gigabytes: float | None, minutes: float) -> Limits:
    if not math.isfinite(minutes) or not math.isfinite(gigabytes or 0):
        raise DataRefused("--max-memory and --max-minutes must be numbers; received infinity or NaN.")
    return Limits(default_memory_bytes() if gigabytes is None else int(gigabytes * 1e9), 60 * minutes)
