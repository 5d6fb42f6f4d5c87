"""What a run shows in the Kubeflow Pipelines user interface, which knows four types of artifact and no other."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kfp.pipeline_spec import pipeline_spec_pb2 as specs
from tfx.types import artifact

from components.card.files import CARD_FILE
from components.drift.files import PAGE_FILE
from components.foreign import json_text
from pipeline.runners.kubeflow.looks import LOOK_DECIDED_BY, drift_document
from schemas import features

# Node -> output key -> type.
PAGES: Final[dict[str, dict[str, str]]] = {
    "Card": {
        "page": "system.HTML",
        "numbers": "system.Metrics",
        "confusion": "system.ClassificationMetrics",
    },
    LOOK_DECIDED_BY: {"page": "system.HTML", "numbers": "system.Metrics"},
}
_TYPES: Final = frozenset(title for pages in PAGES.values() for title in pages.values())
_Artifacts = Mapping[str, Sequence[artifact.Artifact]]


def is_page(listed: Any) -> bool:
    """Whether an ArtifactList of outputs is for the user interface, and not TFX's."""
    return listed.artifacts[0].type.schema_title in _TYPES


def written(node_id: str, listed: specs.ArtifactList, inputs: _Artifacts, outputs: _Artifacts) -> specs.ArtifactList:
    """Fills an output that is for the user interface.

    Args:
        node_id: A node that has such outputs.
        listed: The output, addressed on this machine.
        inputs: The node's: of Card, `verdict`.
        outputs: The node's: of Card, `card`; of DriftGate, `report`.
    """
    made = specs.ArtifactList()
    made.CopyFrom(listed)
    _WRITERS[node_id](made.artifacts[0], inputs, outputs)
    return made


def _card(one: specs.RuntimeArtifact, inputs: _Artifacts, outputs: _Artifacts) -> None:
    verdict = Path(inputs["verdict"][0].uri)
    if one.type.schema_title == "system.HTML":
        shutil.copyfile(Path(outputs["card"][0].uri, CARD_FILE), one.uri)
    else:
        numbers = _NUMBERS[one.type.schema_title]
        one.metadata.update(numbers(_read(verdict / "verdict.json"), _read(verdict / "evidence.json")))


def _look(one: specs.RuntimeArtifact, inputs: _Artifacts, outputs: _Artifacts) -> None:
    if one.type.schema_title == "system.HTML":
        shutil.copyfile(Path(outputs["report"][0].uri, PAGE_FILE), one.uri)
    else:
        one.metadata.update(_distances(drift_document(outputs)))


def _distances(drift: Mapping[str, Any]) -> dict[str, Any]:
    compared = {one["feature"]: one["distance"] for one in drift["comparisons"] if one["distance"] is not None}
    moved = " ".join(drift["drifted"])
    return {**compared, "status": drift["status"], "requests": drift["log"]["num_requests"], "moved": moved}


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

_WRITERS: Final[dict[str, Callable[[specs.RuntimeArtifact, _Artifacts, _Artifacts], None]]] = {
    "Card": _card,
    LOOK_DECIDED_BY: _look,
}


def _read(path: Path) -> dict[str, Any]:
    return json_text.read(path) if path.exists() else {}
