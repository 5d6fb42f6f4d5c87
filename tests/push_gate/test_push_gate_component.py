"""The node in a pipeline of its own, on the metadata store."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.push_gate.fingerprint import directory_fingerprint, file_sha256

pytestmark = pytest.mark.tfx


def run_gate(run: Any, folder: Path, settings: str) -> tuple[dict[str, Any], Any]:
    """Runs importers and the gate; the verdict and the blessing artifact."""
    from tfx.dsl.components.common.importer import Importer
    from tfx.orchestration import metadata
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.orchestration.pipeline import Pipeline
    from tfx.types import standard_artifacts as standard
    from tfx.types.artifact_utils import deserialize_artifact

    from components.artifacts import Baseline, DataDecision, IngestReport
    from components.push_gate.component import PushGate

    uris = run.uris()
    splits = {"split_names": '["train", "stop", "eval"]'}
    sources = {
        "model": (uris.model, standard.Model, {}),
        "examples": (str(run.root / "examples"), standard.Examples, splits),
        "evaluation_train": (uris.evaluations["train"], standard.ModelEvaluation, {}),
        "evaluation_eval": (uris.evaluations["eval"], standard.ModelEvaluation, {}),
        "ingest_report": (uris.ingest_report, IngestReport, {}),
        "data_decision": (uris.data_decision, DataDecision, {}),
        "baseline": (uris.baseline, Baseline, {}),
    }
    importers = {
        name: Importer(source_uri=uri, artifact_type=kind, properties=properties).with_id(name)
        for name, (uri, kind, properties) in sources.items()
    }
    gate = PushGate(
        **{name: importer.outputs["result"] for name, importer in importers.items()},
        settings=settings,
        config_fingerprint="config-hash",
        code_hash="code",
    )
    store = metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))
    pipeline = Pipeline(
        pipeline_name="gate",
        pipeline_root=str(folder / "artifacts"),
        components=[*importers.values(), gate],
        metadata_connection_config=store,
    )
    LocalDagRunner().run(pipeline)
    with metadata.Metadata(store) as handle:
        (blessing,) = handle.store.get_artifacts_by_type("ModelBlessing")
        (verdict,) = handle.store.get_artifacts_by_type("frostgate.Verdict")
        kind = handle.store.get_artifact_types_by_id([blessing.type_id])[0]
    assert deserialize_artifact(kind, blessing).uri == blessing.uri
    document = json.loads((Path(verdict.uri) / "verdict.json").read_text())
    assert verdict.custom_properties["decision"].string_value == document["decision"]
    assert json.loads((Path(verdict.uri) / "evidence.json").read_text())["classes"] == list("56789")
    return document, blessing


@pytest.mark.parametrize(
    ("kind", "settings", "decision"),
    [
        ("healthy", "{}", "PASS"),
        ("collapsed", "{}", "BLOCK"),
        ("healthy", '{"min_eval_examples": 300}', "HOLD"),
    ],
)
def test_only_a_passing_model_is_blessed(
    run_of: Callable[[str], Any], tmp_path: Path, kind: str, settings: str, decision: str
) -> None:
    document, blessing = run_gate(run_of(kind), tmp_path, settings)
    assert document["decision"] == decision
    assert document["thresholds"]["min_eval_examples"] == json.loads(settings).get("min_eval_examples", 200)
    assert document["fingerprints"]["config"] == "config-hash"
    blessed = decision == "PASS"
    assert blessing.custom_properties["blessed"].int_value == int(blessed)
    assert blessing.custom_properties["current_model"].string_value == run_of(kind).uris().model
    assert blessing.custom_properties["current_model_id"].int_value > 0
    said = {key: value.string_value for key, value in blessing.custom_properties.items()}
    assert said["model_fingerprint"] == directory_fingerprint(run_of(kind).uris().model)
    (written,) = tmp_path.rglob("verdict.json")
    assert said["document_sha256"] == file_sha256(str(written))
    assert [path.name for path in Path(blessing.uri).iterdir()] == ["BLESSED" if blessed else "NOT_BLESSED"]
