"""A card on disk, made from a verdict's folder."""

import os
from typing import Any

from tfx.dsl.io import fileio

from components.card.facts import RunFacts
from components.card.render import render
from components.foreign import json_text

CARD_FILE = "card.html"


def write_card(verdict_dir: str, facts: RunFacts | None, path: str) -> None:
    """Writes the card of the verdict in a folder.

    Args:
        verdict_dir: Has `verdict.json` and, where something was measured, `evidence.json`; any address TFX can read.
        facts: What the runner knows; None before the run is over.
        path: The page; its folder is made, and a page that is there is replaced in one step.

    Raises:
        ValueError: There is no verdict, or it is none.
    """
    verdict = _read(os.path.join(verdict_dir, "verdict.json"))
    if verdict is None:
        raise ValueError(f"expected verdict.json in {verdict_dir}; there is none. Give a Verdict artifact's folder.")
    page = render(verdict, _read(os.path.join(verdict_dir, "evidence.json")) or {}, facts)
    fileio.makedirs(os.path.dirname(path) or ".")
    partial = f"{path}.partial"
    with fileio.open(partial, "wb") as opened:
        opened.write(page.encode())
    fileio.rename(partial, path, overwrite=True)


def _read(path: str) -> dict[str, Any] | None:
    if not fileio.exists(path):
        return None
    with fileio.open(path) as opened:
        return json_text.parse(opened.read())
