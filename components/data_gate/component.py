"""The node that lets data pass or stops the run."""

import json
import os
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import ExampleAnomalies, ExampleStatistics, Schema

from components.artifacts import DataDecision, IngestReport
from components.data_gate.anomalies import findings, numbers
from components.data_gate.decision import Decision, decide
from components.data_gate.distances import Distance, distances
from components.data_gate.document import document
from components.errors import DataRefused
from components.ingest.report import REPORT_FILE, Report
from components.ingest.settings import DataSettings
from schemas import features
from schemas.images import SCHEMA_FILE

_ANOMALIES_FILE = "SchemaDiff.pb"
_STATISTICS_FILE = "FeatureStats.pb"


@component
def DataGate(
    anomalies: InputArtifact[ExampleAnomalies],
    statistics: InputArtifact[ExampleStatistics],
    schema: InputArtifact[Schema],
    report: InputArtifact[IngestReport],
    decision: OutputArtifact[DataDecision],
    settings: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Stops the run when the data are not fit for training.

    Args:
        anomalies: What ExampleValidator found.
        statistics: What StatisticsGen counted; how far the splits lie apart is said, and decides nothing.
        schema: Says how distances are measured.
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
    found = _anomalies_by_split(anomalies)
    sentences = {split: findings(one) for split, one in found.items()}
    made = decide(sentences, counts, limit)
    counted = {split: numbers(one) for split, one in found.items()}
    told = document(made, counted, counts, _distances(statistics, schema))
    with fileio.open(os.path.join(decision.uri, "decision.json"), "w") as opened:
        opened.write(json.dumps(told, indent=2))
    _refuse(made, told)


def _anomalies_by_split(artifact: ExampleAnomalies) -> dict[str, anomalies_pb2.Anomalies]:
    found = {}
    for split in artifact_utils.decode_split_names(artifact.split_names):
        path = os.path.join(artifact_utils.get_split_uri([artifact], split), _ANOMALIES_FILE)
        # Missing evidence means no: a split without its file is not listed, and so not validated.
        if fileio.exists(path):
            found[split] = anomalies_pb2.Anomalies.FromString(_bytes(path))
    return found


def _distances(statistics: ExampleStatistics, schema: Schema) -> tuple[Distance, ...]:
    paths = [
        os.path.join(artifact_utils.get_split_uri([statistics], split), _STATISTICS_FILE) for split in features.JUDGED
    ]
    if not all(map(fileio.exists, paths)):
        return ()  # Nothing is decided by it; a split without statistics is not validated, which is.
    train, evaluation = (statistics_pb2.DatasetFeatureStatisticsList.FromString(_bytes(path)) for path in paths)
    text = _bytes(os.path.join(schema.uri, SCHEMA_FILE)).decode()
    return distances(train, evaluation, text_format.Parse(text, schema_pb2.Schema()))


def _bytes(path: str) -> bytes:
    with fileio.open(path, "rb") as opened:
        return opened.read()


def _refuse(made: Decision, told: dict[str, Any]) -> None:
    if not made.passed:
        reasons = "\n".join(f"- {one}" for one in made.reasons)
        raise DataRefused(f"The data were refused before training:\n{reasons}", told)
