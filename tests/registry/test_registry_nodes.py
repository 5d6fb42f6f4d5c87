"""The nodes: a judged model in, a registration out, and the champion back."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import pytest
from tfx.types.artifact import Artifact
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, PushedModel, Schema

from components.artifacts import Baseline, Card, IngestReport, Reference, Registration, ServingReport, Verdict
from components.blessing import vouch
from components.errors import ArtifactChanged
from components.push_gate.fingerprint import directory_fingerprint
from components.registry import lease
from components.registry.component import Champion, RegistryPush
from components.registry.settings import RegistrySettings
from tests.registry.kubeflow_server import KubeflowServer

pytestmark = pytest.mark.tfx
Push = Callable[..., dict]
# Of the model that the Pusher pushed; its lease is under this name.
HOLDER = "f" * 64


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real SavedModel with two signatures, inside a Model artifact's folder."""
    import tensorflow as tf

    module = tf.Module()
    module.weight = tf.Variable([[1.0], [2.0]])
    spec = [tf.TensorSpec([None], tf.string, name="image_bytes")]
    lengths = tf.function(lambda image_bytes: {"probabilities": tf.ones([tf.size(image_bytes), 2])}, spec)
    embeddings = tf.function(lambda image_bytes: {"embeddings": tf.ones([tf.size(image_bytes), 1])}, spec)
    folder = tmp_path_factory.mktemp("model")
    signatures = {"serving_default": lengths, "embeddings": embeddings}
    tf.saved_model.save(module, str(folder / "Format-Serving"), signatures=signatures)
    (folder / "Format-Keras").mkdir()
    (folder / "Format-Keras" / "model.keras").write_bytes(b"keras")
    return folder


def artifact(kind: type[Artifact], folder: Path, **documents: dict) -> Artifact:
    made = kind()
    made.uri = str(folder / kind.__name__)
    Path(made.uri).mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        Path(made.uri, f"{name}.json").write_text(json.dumps(document))
    return made


@pytest.fixture
def push_node(tmp_path: Path, saved_model: Path) -> Push:
    def run(
        settings: RegistrySettings,
        decision: str,
        pushed: float,
        judged: str | None = "itself",
        edits: Mapping[str, str] = MappingProxyType({}),
        **changes: list,
    ) -> dict:
        """`judged` is the fingerprint that the blessings carry; `edits` are made after they were written."""
        model, pushed_model, output = Model(), PushedModel(), artifact(Registration, tmp_path)
        model.uri = str(saved_model)
        pushed_model.set_float_custom_property("pushed", pushed)
        pushed_model.set_string_custom_property("pushed_version", "3")
        pushed_model.set_string_custom_property("pushed_fingerprint", HOLDER)
        fingerprint = directory_fingerprint(str(saved_model)) if judged == "itself" else judged
        verdict = {
            "decision": decision,
            "codes": [] if decision == "PASS" else ["G1", "G3"],
            "measurements": {
                "A": {"value": 0.95},
                "B": {"value": 0.9, "interval": {"low": 0.8, "high": 0.95}},
                "C": None,
                "loss": {"eval": 0.3},
            },
            "thresholds": {"max_mode_gap": 0.05},
            "warm_start": {"version": "7", "sentence": "The training started from the weights of version 7."},
            "fingerprints": {"weights": "w" * 64, "data": "d" * 64},
        }
        serving = {"passed": True, "max_difference": 1e-7, "latency_ms": {"1": {"p50": 2.0, "p95": 3.0}}}
        report = {"spans": [4, 5], "by_split": {"train": 80}, "num_rejected": 2, "eval_fraction": 0.2}
        said, tried = artifact(Verdict, tmp_path, verdict=verdict, evidence={}), artifact(ServingReport, tmp_path)
        Path(tried.uri, "serving.json").write_text(json.dumps(serving))
        blessings = artifact(ModelBlessing, tmp_path), artifact(InfraBlessing, tmp_path)
        vouch(blessings[0], fingerprint, f"{said.uri}/verdict.json")
        vouch(blessings[1], fingerprint, f"{tried.uri}/serving.json")
        for path, text in edits.items():
            Path(tmp_path, path).write_text(text)
        card = artifact(Card, tmp_path)
        Path(card.uri, "card.html").write_text("<html>")
        inputs = {
            "model": [model],
            "pushed_model": [pushed_model],
            "model_blessing": [blessings[0]],
            "infra_blessing": [blessings[1]],
            "verdict": [said],
            "reference": [artifact(Reference, tmp_path, examples={})],
            "serving_report": [tried],
            "ingest_report": [artifact(IngestReport, tmp_path, report=report)],
            "card": [card],
            "schema": [artifact(Schema, tmp_path, schema={})],
        }
        properties = {
            "settings": settings.model_dump_json(),
            "destination": str(tmp_path),
            "kserve": '{"name": "digits", "storage_uri": "s3://bucket/digits"}',
            "config_json": json.dumps({"train": {"epochs": 3}, "uri": "http://user:canary@host/x"}),
            "config_fingerprint": "c",
            "run_key": "key",
            "training_key": "training",
            "git_revision": "abcdef",
            "image": "frostgate@sha256:1",
            "kfp_run_id": "a-run",
            "code_hash": "x",
        }
        RegistryPush.EXECUTOR_SPEC.executor_class().Do(inputs | changes, {"registration": [output]}, properties)
        return json.loads(Path(output.uri, "registration.json").read_text())

    return run


def champion_node(settings: RegistrySettings, version: str, folder: Path) -> tuple[dict, Path]:
    output = artifact(Baseline, folder)
    properties = {"settings": settings.model_dump_json(), "version": version, "code_hash": "x"}
    Champion.EXECUTOR_SPEC.executor_class().Do({}, {"baseline": [output]}, properties)
    return json.loads(Path(output.uri, "baseline.json").read_text()), Path(output.uri, "Format-Serving")


@pytest.fixture(params=["mlflow", "kubeflow"])
def server_settings(request: pytest.FixtureRequest) -> RegistrySettings:
    if request.param == "kubeflow":
        return request.getfixturevalue("kubeflow_settings")
    return RegistrySettings(uri=request.getfixturevalue("mlflow_server"), model_name="digits")


def test_a_pushed_model_goes_to_a_server_and_comes_back_with_its_signatures(
    push_node: Push, server_settings: RegistrySettings, tmp_path: Path
) -> None:
    import tensorflow as tf

    settings, address = server_settings, server_settings.uri
    registration = push_node(settings, "PASS", 1.0)
    version = "1" if settings.kind == "mlflow" else "2"
    expected = {"model_name": "digits", "version": version, "alias": "champion", "tracking_uri": address}
    assert expected.items() <= registration.items()
    assert (registration["decision"], registration["already_registered"]) == ("PASS", False)
    baseline, saved_model = champion_node(settings, "latest", tmp_path)
    assert baseline == {
        "version": version,
        "run_id": registration["run_id"] or None,
        "fingerprint": registration["fingerprint"],
        "weights_fingerprint": "w" * 64,
        "model_name": "digits",
        "ancestor": None,
    }
    assert Path(saved_model.parent, "reference", "examples.json").read_text() == "{}"
    assert sorted(tf.saved_model.load(str(saved_model)).signatures) == ["embeddings", "serving_default"]


def test_everything_about_a_blocked_model_is_recorded_and_nothing_points_at_it(
    push_node: Push, file_settings: RegistrySettings, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    registration = push_node(file_settings, "BLOCK", 0.0)
    assert registration["alias"] is None
    client = MlflowClient(file_settings.uri)
    assert client.get_registered_model("digits").aliases == {}
    run = client.get_run(registration["run_id"])
    assert run.data.metrics == {
        "train.accuracy_training_mode": 0.95,
        "train.accuracy": 0.9,
        "train.accuracy_low": 0.8,
        "train.accuracy_high": 0.95,
        "eval.loss": 0.3,
        "serving.batch_1.p50_milliseconds": 2.0,
        "serving.batch_1.p95_milliseconds": 3.0,
        "serving.max_difference": 1e-7,
    }
    assert run.data.params == {"train.epochs": "3", "uri": "http://host/x"}
    tags = {name.removeprefix("frostgate."): value for name, value in run.data.tags.items() if "frostgate" in name}
    assert tags == {
        "fingerprint": registration["fingerprint"],
        "decision": "BLOCK",
        "run_key": "key",
        "training_key": "training",
        "baseline": "none",
        "warm_started_from": "7",
        "validation_split": "0.2",
        "keras_sha256": sha256(b"keras").hexdigest(),
        "codes": "G1,G3",
        "config_fingerprint": "c",
        "weights_fingerprint": "w" * 64,
        "data_fingerprint": "d" * 64,
        "schema_fingerprint": directory_fingerprint(str(tmp_path / "Schema")),
        "reference_fingerprint": directory_fingerprint(str(tmp_path / "Reference")),
        "spans": "4,5",
        "thresholds": '{"max_mode_gap":0.05}',
        "serves": "yes",
        "num_rejected": "2",
        "git_revision": "abcdef",
        "image": "frostgate@sha256:1",
        "kfp_run_id": "a-run",
        "num_train": "80",
    }
    assert sorted(file.path for file in client.list_artifacts(registration["run_id"])) == [
        "Format-Keras",
        "Format-Serving",
        "card.html",
        "evidence.json",
        "reference",
        "serving.json",
        "verdict.json",
    ]


def test_a_new_champions_manifest_lies_beside_the_versions_and_stays_when_the_next_is_refused(
    push_node: Push, file_settings: RegistrySettings, tmp_path: Path
) -> None:
    push_node(file_settings, "PASS", 1.0)
    path = tmp_path / "inferenceservice.yaml"
    written = path.read_text()
    assert "storageUri: s3://bucket/digits/3/\n" in written
    assert "frostgate/registered-version: '1'\n" in written and "frostgate/run-key: key\n" in written
    for decision, pushed in [("BLOCK", 0.0), ("HOLD", 0.0), ("PASS", 0.0)]:
        path.write_text("the champion's")
        push_node(file_settings, decision, pushed)
        assert path.read_text() == "the champion's"
    push_node(file_settings, "PASS", 1.0)
    assert path.read_text() == written


@pytest.mark.parametrize(("decision", "pushed"), [("PASS", 0.0), ("BLOCK", 1.0), ("HOLD", 1.0), ("pass", 1.0)])
def test_the_alias_needs_both_a_pass_and_a_push(
    push_node: Push, file_settings: RegistrySettings, decision: str, pushed: float
) -> None:
    assert push_node(file_settings, decision, pushed)["alias"] is None


@pytest.mark.parametrize(("decision", "pushed"), [("PASS", 1.0), ("BLOCK", 0.0)])
def test_a_model_that_is_not_the_judged_one_is_refused(
    push_node: Push, absent_settings: RegistrySettings, saved_model: Path, decision: str, pushed: float
) -> None:
    with pytest.raises(ArtifactChanged, match="the model must be what was judged, sha256 eeeeeeeeeeee") as caught:
        push_node(absent_settings, decision, pushed, judged="e" * 64)
    assert caught.value.folder == str(saved_model)
    assert not Path(absent_settings.uri.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize(("decision", "said"), [("HOLD", "PASS"), ("BLOCK", "PASS"), ("PASS", "BLOCK")])
def test_a_verdict_that_was_edited_after_the_gate_is_recorded_as_nothing(
    push_node: Push, absent_settings: RegistrySettings, decision: str, said: str
) -> None:
    edited = {"Verdict/verdict.json": json.dumps({"decision": said, "fingerprints": {"model": None}})}
    with pytest.raises(ArtifactChanged, match=r"Verdict: verdict\.json must be what was judged"):
        push_node(absent_settings, decision, float(decision == "PASS"), edits=edited)
    assert not Path(absent_settings.uri.removeprefix("sqlite:///")).exists()


def test_a_serving_report_that_was_edited_is_recorded_as_nothing(
    push_node: Push, file_settings: RegistrySettings
) -> None:
    with pytest.raises(ArtifactChanged, match=r"ServingReport: serving\.json must be what was judged"):
        push_node(file_settings, "PASS", 0.0, edits={"ServingReport/serving.json": '{"passed": true}'})


def test_a_registration_that_fails_gives_the_destination_back(
    push_node: Push, file_settings: RegistrySettings, tmp_path: Path
) -> None:
    unreadable = file_settings.model_copy(update={"uri": f"sqlite:///{tmp_path}/notes"})
    (tmp_path / "notes").write_text("these are notes")
    failures = ((file_settings, "e" * 64, ArtifactChanged), (unreadable, "itself", ValueError))
    for settings, judged, error in failures:
        lease.take(tmp_path, HOLDER)
        with pytest.raises(error):
            push_node(settings, "PASS", 1.0, judged=judged)
        assert not (tmp_path / ".push-lease.json").exists()


def test_a_blessing_of_no_model_promotes_none(push_node: Push, file_settings: RegistrySettings) -> None:
    assert push_node(file_settings, "PASS", 1.0, judged=None)["alias"] is None


def test_a_registration_needs_no_card(push_node: Push, file_settings: RegistrySettings) -> None:
    assert push_node(file_settings, "PASS", 1.0, card=[])["version"] == "1"


def test_a_blocked_model_is_recorded_as_such_and_pushed_again_is_the_same(
    push_node: Push, kubeflow_settings: RegistrySettings, kubeflow_server: KubeflowServer
) -> None:
    registration = push_node(kubeflow_settings, "BLOCK", 0.0)
    again = push_node(kubeflow_settings, "BLOCK", 0.0)
    assert registration | {"already_registered": True} == again and registration["alias"] is None
    ((model,), (version,)) = kubeflow_server.store.models(), kubeflow_server.store.versions("1")
    assert model["customProperties"] == {} and version["name"] == f"BLOCK-{registration['fingerprint']}"
    said = {key: value.get("string_value") for key, value in version["customProperties"].items()}
    assert (said["frostgate.decision"], said["frostgate.codes"]) == ("BLOCK", "G1,G3")
    assert version["customProperties"]["train.accuracy"]["double_value"] == 0.9
    folder = Path(said["frostgate.source"].removeprefix("file://")).parent
    assert {path.name for path in folder.iterdir()} - {".unfinished"} == {
        "Format-Serving", "Format-Keras", "card.html", "evidence.json", "manifest.json", "parameters.json", "reference",
        "serving.json", "verdict.json",
    }  # fmt: skip


def test_no_baseline_asks_nobody(tmp_path: Path) -> None:
    unreachable = RegistrySettings(uri="http://127.0.0.1:9", model_name="digits")
    baseline, saved_model = champion_node(unreachable, "none", tmp_path)
    assert set(baseline.values()) == {None, "digits"}
    assert not saved_model.exists()


def test_the_latest_of_an_empty_registry_is_no_baseline(file_settings: RegistrySettings, tmp_path: Path) -> None:
    assert champion_node(file_settings, "latest", tmp_path)[0]["version"] is None


def test_a_baseline_by_number_stays_when_the_alias_moves(
    push_node: Push, file_settings: RegistrySettings, tmp_path: Path
) -> None:
    push_node(file_settings, "BLOCK", 0.0)
    push_node(file_settings, "PASS", 1.0)
    assert champion_node(file_settings, "1", tmp_path)[0]["version"] == "1"
    assert champion_node(file_settings, "latest", tmp_path / "other")[0]["version"] == "2"


def test_the_best_champion_of_before_comes_with_the_champion(
    file_settings: RegistrySettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from components.registry.opening import open_registry
    from components.registry.protocol import ACCURACY, BASELINE, DECISION, FINGERPRINT, ModelRecord
    from components.registry.publishing import publish

    registry = open_registry(file_settings)
    for number, accuracy, before in (("1", 0.98, "none"), ("2", 0.95, "1"), ("3", 0.92, "2")):
        folder = tmp_path / number / "Format-Serving"
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(number)
        found = directory_fingerprint(str(folder))
        tags = {FINGERPRINT: found, DECISION: "PASS", ACCURACY: f"{accuracy} [0.9, 0.99]", BASELINE: before}
        publish(registry, ModelRecord(found, "PASS", tags, {}, {}, {folder: "Format-Serving"}), promote=True)
    baseline, saved_model = champion_node(file_settings, "3", tmp_path / "all")
    assert (baseline["version"], baseline["ancestor"]) == ("3", "1")
    ancestor = saved_model.parent / "ancestor" / "Format-Serving" / "saved_model.pb"
    assert (ancestor.read_text(), (saved_model / "saved_model.pb").read_text()) == ("1", "3")
    # One whose files are not what was registered is passed over.
    (kept,) = (path for path in (tmp_path / "the registry").rglob("saved_model.pb") if path.read_text() == "1")
    kept.write_text("changed")
    baseline, saved_model = champion_node(file_settings, "3", tmp_path / "damaged")
    assert baseline["ancestor"] == "2" and "Version 1 is not compared with" in caplog.text
    assert (saved_model.parent / "ancestor" / "Format-Serving" / "saved_model.pb").read_text() == "2"
