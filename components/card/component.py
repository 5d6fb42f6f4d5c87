"""The Card node: the run on one page, as far as the pipeline itself knows it."""

import os

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types.standard_artifacts import ModelBlessing

from components.artifacts import Card as CardArtifact
from components.artifacts import ServingReport, Verdict
from components.blessing import must_be_said
from components.card.facts import RunFacts
from components.card.files import CARD_FILE, write_card
from components.foreign import json_text


@component
def Card(
    verdict: InputArtifact[Verdict],
    blessing: InputArtifact[ModelBlessing],
    card: OutputArtifact[CardArtifact],
    code_hash: Parameter[str],
    serving_report: InputArtifact[ServingReport] = None,  # type: ignore[assignment]  # TFX's spelling of an optional input.
) -> None:
    """Writes `card.html`; a runner that knows timings and versions writes a fuller one when the run is over.

    Args:
        verdict: `verdict.json` and `evidence.json`.
        blessing: The gate's; says which verdict.
        card: `card.html`.
        code_hash: Keys the cache by our code and the page's template; not read.
        serving_report: `serving.json`; the card says so when there is none.

    Raises:
        ArtifactChanged: The verdict is not what the gate wrote.
    """
    must_be_said(verdict.uri, "verdict.json", blessing)
    serving = None
    if serving_report is not None:
        with fileio.open(os.path.join(serving_report.uri, "serving.json")) as opened:
            serving = json_text.parse(opened.read())
    write_card(verdict.uri, RunFacts(serving=serving), os.path.join(card.uri, CARD_FILE))
