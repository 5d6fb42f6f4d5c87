"""The node that says whether requests moved away from what was learnt."""

import dataclasses
import json
import os
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import ExampleAnomalies, Examples

from components.artifacts import DriftReport, ServingLogReport
from components.drift.comparing import distances
from components.drift.decision import decide
from components.drift.files import PAGE_FILE, REPORT_FILE
from components.drift.page import page
from components.drift.samples import compare, read_samples
from components.drift.settings import DriftSettings
from components.foreign import json_text
from schemas import features


@component
def DriftGate(
    anomalies: InputArtifact[ExampleAnomalies],
    examples: InputArtifact[Examples],
    log: InputArtifact[ServingLogReport],
    report: OutputArtifact[DriftReport],
    settings: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Decides whether there is an alert; an alert does not fail the node.

    Args:
        anomalies: What DistributionValidator measured.
        examples: Splits `serving` and `reference`.
        log: What the window held.
        report: `drift.json` and `drift.html`; its property `status` is what was decided.
        settings: JSON of DriftSettings.
        code_hash: Keys the cache by our code; not read.
    """
    limits = DriftSettings.model_validate_json(settings)
    pair = os.path.join(anomalies.uri, f"SplitPair-{features.SERVING}_{features.REFERENCE}", "SchemaDiff.pb")
    with fileio.open(pair, "rb") as opened:
        measured = distances(anomalies_pb2.Anomalies.FromString(opened.read()), limits)
    with fileio.open(os.path.join(log.uri, "log.json")) as opened:
        counts: dict[str, Any] = json_text.parse(opened.read())
    reference, serving = (
        read_samples(artifact_utils.get_split_uri([examples], split))
        for split in (features.REFERENCE, features.SERVING)
    )
    comparisons = compare(measured, reference, serving)
    window = f"{counts['num_files']} files of {counts['days'][0]} to {counts['days'][-1]} in {counts['uri']}"
    decision = decide(comparisons, counts["num_requests"], limits, window)
    document = {
        **dataclasses.asdict(decision),
        "log": counts,
        "num_reference": len(reference.names[features.PREDICTED_CLASS]),
        "comparisons": [dataclasses.asdict(one) for one in comparisons],
        "settings": limits.model_dump(mode="json"),
    }
    _write(os.path.join(report.uri, REPORT_FILE), json.dumps(document, indent=2, allow_nan=False))
    _write(os.path.join(report.uri, PAGE_FILE), page(document, reference, serving))
    report.set_string_custom_property("status", decision.status)


def _write(path: str, text: str) -> None:
    fileio.makedirs(os.path.dirname(path))
    with fileio.open(path, "w") as opened:
        opened.write(text)
