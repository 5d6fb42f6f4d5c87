"""How a look at the requests came out on the cluster: a step each for quiet, drift and undecided, of which one runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from components.drift.files import REPORT_FILE
from components.foreign import json_text
from pipeline.runners.results import LookStatus

# Status -> step.
LOOK_STEPS: Final[dict[LookStatus, str]] = {"quiet": "Quiet", "drift": "Drift", "undecided": "Undecided"}
# The node that knows.
LOOK_DECIDED_BY: Final = "DriftGate"
# The step that an alert may add.
TRAIN: Final = "Train"


def look_outcome(outputs: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """Says how the look came out, from the outputs of the node that decides whether there is an alert."""
    drift = drift_document(outputs)
    return {"status": drift["status"], "message": drift["sentence"]}


def drift_document(outputs: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Reads drift.json from the outputs of the node that decides whether there is an alert."""
    return json_text.read(Path(outputs["report"][0].uri, REPORT_FILE))
