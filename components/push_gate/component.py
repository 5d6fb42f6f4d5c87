"""The node that decides whether a model may be pushed."""

import json
import os

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation

from components.artifacts import Baseline, DataDecision, IngestReport, Reference, Verdict
from components.blessing import vouch
from components.push_gate import reference as references
from components.push_gate.exported import FACTS_FILE, read_facts
from components.push_gate.judge import Uris, judge
from components.push_gate.settings import GateSettings
from components.push_gate.verdict import evidence_document, verdict_document
from schemas import features


@component
def PushGate(
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    evaluation_train: InputArtifact[ModelEvaluation],
    evaluation_eval: InputArtifact[ModelEvaluation],
    ingest_report: InputArtifact[IngestReport],
    data_decision: InputArtifact[DataDecision],
    baseline: InputArtifact[Baseline],
    blessing: OutputArtifact[ModelBlessing],
    verdict: OutputArtifact[Verdict],
    reference: OutputArtifact[Reference],
    settings: Parameter[str],
    config_fingerprint: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Measures the export, decides, and writes the blessing and the verdict; a blocked model does not fail the node.

    Args:
        model: What the Trainer exported.
        examples: What ingest wrote.
        evaluation_train: TFMA on the training split.
        evaluation_eval: TFMA on the validation split.
        ingest_report: Counts to hold the examples against.
        data_decision: The data gate's.
        baseline: The registry's champion, or none.
        blessing: `BLESSED` only when the model passed; the Pusher reads its property `blessed`. Its properties
            `model_fingerprint` and `document_sha256` say of which model, and with which `verdict.json`.
        verdict: `verdict.json` and `evidence.json`.
        reference: What the model says of validation images, for monitoring.
        settings: JSON of `GateSettings`.
        config_fingerprint: Of the run's configuration, for the verdict.
        code_hash: Of our code; keys the cache and is otherwise unused.
    """
    del code_hash
    thresholds = GateSettings.model_validate_json(settings)
    uris = Uris(
        model=model.uri,
        splits={split: artifact_utils.get_split_uri([examples], split) for split in features.SPLITS},
        evaluations={features.TRAIN: evaluation_train.uri, features.EVAL: evaluation_eval.uri},
        ingest_report=ingest_report.uri,
        data_decision=data_decision.uri,
        baseline=baseline.uri,
    )
    judgement = judge(uris, thresholds)
    facts = read_facts(model.uri, FACTS_FILE)
    document = verdict_document(judgement, thresholds, facts, config_fingerprint)
    written = os.path.join(verdict.uri, "verdict.json")
    _write_json(written, document)
    _write_json(os.path.join(verdict.uri, "evidence.json"), evidence_document(judgement))
    if judgement.measurement:
        references.write(reference.uri, uris.splits[features.EVAL], judgement.measurement)
    verdict.set_string_custom_property("decision", judgement.decision.outcome)
    vouch(blessing, judgement.export_fingerprint, written)
    # Last: a gate that dies before this line has blessed nothing.
    _bless(blessing, model, judgement.decision.outcome == "PASS")


def _bless(blessing: ModelBlessing, model: Model, passed: bool) -> None:
    """Says it as the stock Evaluator does, for the Pusher and for the resolver of the latest blessed model."""
    blessing.set_string_custom_property("current_model", model.uri)
    blessing.set_int_custom_property("current_model_id", model.id)
    _write_text(os.path.join(blessing.uri, "BLESSED" if passed else "NOT_BLESSED"), "")
    blessing.set_int_custom_property("blessed", int(passed))


def _write_json(path: str, document: dict[str, object]) -> None:
    _write_text(path, json.dumps(document, indent=2, allow_nan=False))


def _write_text(path: str, text: str) -> None:
    fileio.makedirs(os.path.dirname(path))
    with fileio.open(path, "w") as file:
        file.write(text)
