"""What a run shows in the Kubeflow Pipelines user interface, which knows four types of artifact and no other."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kfp.pipeline_spec import pipeline_spec_pb2 as specs
from tfx.types import artifact

from components.card.files import CARD_FILE
from schemas import features

# Of the Card node: output key -> type.
PAGES: Final = {
    "page": "system.HTML",
    "numbers": "system.Metrics",
    "confusion": "system.ClassificationMetrics",
}
_Artifacts = Mapping[str, Sequence[artifact.Artifact]]


def is_page(listed: Any) -> bool:
    """Whether an ArtifactList of outputs is for the user interface, and not TFX's."""
    return listed.artifacts[0].type.schema_title in PAGES.values()


def written(listed: specs.ArtifactList, inputs: _Artifacts, outputs: _Artifacts) -> specs.ArtifactList:
    """Fills an output of the Card node.

    Args:
        listed: The output, addressed on this machine.
        inputs: The node's: `verdict`.
        outputs: The node's: `card`.
    """
    made = specs.ArtifactList()
    made.CopyFrom(listed)
    one = made.artifacts[0]
    verdict = Path(inputs["verdict"][0].uri)
    if one.type.schema_title == "system.HTML":
        shutil.copyfile(Path(outputs["card"][0].uri, CARD_FILE), one.uri)
    else:
        numbers = _NUMBERS[one.type.schema_title]
        one.metadata.update(numbers(_read(verdict / "verdict.json"), _read(verdict / "evidence.json")))
    return made


def _metrics(verdict: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, Any]:
    measured = verdict["measurements"]
    found = {name: measured[name]["value"] for name in ("A", "B", "C") if measured.get(name)}
    return {**found, "decision": verdict["decision"], "codes": " ".join(verdict["codes"])}


def _confusion(verdict: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, Any]:
    counted = (evidence.get("confusion") or {}).get(features.EVAL)
    if not counted:
        return {}
    return {
        "confusionMatrix": {
            "annotationSpecs": [{"displayName": name} for name in evidence["classes"]],
            "rows": [{"row": row} for row in counted],
        }
    }


_NUMBERS: Final[dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]]] = {
    "system.Metrics": _metrics,
    "system.ClassificationMetrics": _confusion,
}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}
