"""The node that lets data pass or stops the run."""

import dataclasses
import json
import os

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.v1.dsl.components import InputArtifact, OutputArtifact, Parameter, component
from tfx.v1.types.standard_artifacts import ExampleAnomalies

from components.artifacts import DataDecision, IngestReport
from components.data_gate.anomalies import findings
from components.data_gate.decision import Decision, decide
from components.errors import DataRefused
from components.ingest.report import REPORT_FILE, Report
from components.ingest.settings import DataSettings
from schemas import features

_ANOMALIES_FILE = "SchemaDiff.pb"


@component
def DataGate(
    anomalies: InputArtifact[ExampleAnomalies],
    report: InputArtifact[IngestReport],
    decision: OutputArtifact[DataDecision],
    settings: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Stops the run when the data are not fit for training.

    Args:
        anomalies: What ExampleValidator found.
        report: The ingest's counts.
        decision: `decision.json`.
        settings: JSON of DataSettings.
        code_hash: A hash of the node's code; used for nothing but the cache key.

    Raises:
        DataRefused: The data are refused; the message has a line a reason.
    """
    with fileio.open(os.path.join(report.uri, REPORT_FILE)) as opened:
        counts = Report.model_validate_json(opened.read())
    limit = DataSettings.model_validate_json(settings).max_reject_fraction
    made = decide(_findings_by_split(anomalies), features.SPLITS, counts, limit)
    with fileio.open(os.path.join(decision.uri, "decision.json"), "w") as opened:
        opened.write(json.dumps(dataclasses.asdict(made), indent=2))
    _refuse(made)


def _findings_by_split(artifact: ExampleAnomalies) -> dict[str, tuple[str, ...]]:
    found = {}
    for split in artifact_utils.decode_split_names(artifact.split_names):
        path = os.path.join(artifact_utils.get_split_uri([artifact], split), _ANOMALIES_FILE)
        # Missing evidence means no: a split without its file is not listed, and so not validated.
        if fileio.exists(path):
            with fileio.open(path, "rb") as opened:
                found[split] = findings(anomalies_pb2.Anomalies.FromString(opened.read()))
    return found


def _refuse(made: Decision) -> None:
    if not made.passed:
        raise DataRefused("The data were refused before training:\n" + "\n".join(f"- {one}" for one in made.reasons))
