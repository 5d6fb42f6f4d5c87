"""The two nodes that talk to the model registry: one asks for the champion, one records a judged model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import absl.logging
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, PushedModel, Schema
from tfx.utils import path_utils

from components.artifacts import (
    ANCESTOR_FOLDER,
    Baseline,
    Card,
    IngestReport,
    Reference,
    Registration,
    ServingReport,
    Verdict,
)
from components.blessing import MODEL_FINGERPRINT, must_be_judged, must_be_said
from components.errors import DataRefused, without_credentials
from components.flags import is_set
from components.foreign import json_text
from components.kserve import files
from components.kserve.manifest import Served, manifest
from components.kserve.settings import KServeSettings
from components.push_gate.fingerprint import directory_fingerprint, file_sha256
from components.registry import champions, lease, record
from components.registry.opening import open_registry
from components.registry.protocol import (
    KERAS_FILE,
    KERAS_FOLDER,
    REFERENCE_FOLDER,
    SAVED_MODEL,
    ModelRecord,
    ModelRegistry,
    Registered,
    RegisteredVersion,
)
from components.registry.publishing import publish
from components.registry.settings import RegistrySettings


@component
def Champion(
    baseline: OutputArtifact[Baseline],
    settings: Parameter[str],
    version: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Brings the model that the gate compares with.

    Args:
        baseline: `baseline.json`, and `Format-Serving/` and `reference/` when there is a champion; the best of those
            before it in `ancestor/`, if one was better.
        settings: JSON of RegistrySettings, `uri` and `model_name` filled in.
        version: "none" asks nobody; a version's number; "latest" follows the alias now, and must not be cached.
        code_hash: Keys the cache by our code; not read.

    Raises:
        RegistryUnavailable: The registry cannot be reached within bounded retries.
        DataRefused: There is no such version, or its files are not what was registered.
    """
    wanted = RegistrySettings.model_validate_json(settings)
    folder = Path(baseline.uri)
    folder.mkdir(parents=True, exist_ok=True)
    info, ancestor = None, None
    if version != "none":
        registry = open_registry(wanted)
        info = registry.champion() if version == "latest" else registry.version(version)
        if info:
            registry.download(info, folder)
            registry.download_reference(info, folder)
            ancestor = _ancestor(registry, info, folder / ANCESTOR_FOLDER)
    document = _baseline(info, wanted.model_name) | {"ancestor": ancestor.version if ancestor else None}
    (folder / "baseline.json").write_text(json.dumps(document, indent=1))


def _ancestor(registry: ModelRegistry, champion: RegisteredVersion, folder: Path) -> RegisteredVersion | None:
    """Brings the best of the champions before this one, if one was better; what cannot be fetched is passed over."""
    for one in champions.better_ancestors(champion, registry.versions()):
        try:
            registry.download(one, folder)
        except DataRefused as error:
            absl.logging.warning("Version %s is not compared with: %s", one.version, error)
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return one
    return None


@component
def RegistryPush(
    model: InputArtifact[Model],
    pushed_model: InputArtifact[PushedModel],
    model_blessing: InputArtifact[ModelBlessing],
    infra_blessing: InputArtifact[InfraBlessing],
    verdict: InputArtifact[Verdict],
    reference: InputArtifact[Reference],
    serving_report: InputArtifact[ServingReport],
    ingest_report: InputArtifact[IngestReport],
    schema: InputArtifact[Schema],
    registration: OutputArtifact[Registration],
    settings: Parameter[str],
    destination: Parameter[str],
    kserve: Parameter[str],
    config_json: Parameter[str],
    config_fingerprint: Parameter[str],
    run_key: Parameter[str],
    training_key: Parameter[str],
    git_revision: Parameter[str],
    image: Parameter[str],
    kfp_run_id: Parameter[str],
    code_hash: Parameter[str],
    card: InputArtifact[Card] = None,  # type: ignore[assignment]  # TFX's way to say optional
) -> None:
    """Records the model, judged well or badly, and moves the alias if it was pushed.

    Args:
        model: The Trainer's export.
        pushed_model: Its `pushed` = 1 with a verdict of PASS moves the alias; nothing else does.
        model_blessing: The gate's; says which model and which verdict.
        infra_blessing: The serving check's; says which report.
        verdict: The gate's.
        reference: What the model says of validation images; an empty folder if it said nothing.
        serving_report: The serving check's.
        ingest_report: The data's counts.
        schema: What the data were held against.
        registration: `registration.json`.
        settings: JSON of RegistrySettings, `uri` and `model_name` filled in.
        destination: Where the Pusher pushed; its lease ends here whatever happens, and a new champion's manifest is
            written.
        kserve: JSON of KServeSettings, the name filled in.
        config_json: The effective configuration.
        config_fingerprint: Its hash.
        run_key: What the run was made of: data, configuration, code.
        training_key: What the training was made of: the data, its part of the configuration, its code.
        git_revision: Of the code; empty outside a checkout.
        image: Of the step's container, by digest; empty outside a cluster.
        kfp_run_id: Of the run on the cluster; empty outside one.
        code_hash: Keys the cache by our code; not read.
        card: The run on a page.

    Raises:
        RegistryUnavailable: The registry cannot be reached within bounded retries; run again, nothing is lost.
        ChampionMoved: Somebody moved the alias since the Pusher looked at it.
        ArtifactChanged: The model, the verdict or the report is not what was judged.
    """
    with lease.given_back(Path(destination), pushed_model.get_string_custom_property("pushed_fingerprint")):
        wanted = RegistrySettings.model_validate_json(settings)
        must_be_said(verdict.uri, "verdict.json", model_blessing)
        must_be_said(serving_report.uri, "serving.json", infra_blessing)
        judged = _read(verdict, "verdict.json")
        is_judged = _is_judged(model, model_blessing)
        saved_model = path_utils.serving_model_path(model.uri)
        fingerprint = directory_fingerprint(saved_model)
        keras_file = Path(model.uri, KERAS_FOLDER, KERAS_FILE)
        serving, ingest = _read(serving_report, "serving.json"), _read(ingest_report, "report.json")
        facts = record.Facts(
            fingerprint=fingerprint,
            config_fingerprint=config_fingerprint,
            run_key=run_key,
            training_key=training_key,
            git_revision=git_revision,
            image=image,
            kfp_run_id=kfp_run_id,
            schema_fingerprint=directory_fingerprint(schema.uri),
            freeze_proof=_freeze_proof(saved_model),
            reference_fingerprint=directory_fingerprint(reference.uri) if _has_files(reference.uri) else "",
            keras_sha256=file_sha256(str(keras_file)) if keras_file.exists() else "",
        )
        entry = ModelRecord(
            fingerprint=fingerprint,
            decision=judged["decision"],
            tags=record.tags(judged, serving, ingest, facts),
            params=record.flatten(json_text.parse(config_json)),
            metrics=record.metrics(judged, serving),
            artifacts=_artifacts(
                model.uri, saved_model, verdict.uri, reference.uri, serving_report.uri, card.uri if card else None
            ),
        )
        registry = open_registry(wanted)
        promote = is_judged and record.promotes(judged["decision"], is_set(pushed_model, "pushed"))

        def write_manifest(version: str) -> None:
            number = int(pushed_model.get_string_custom_property("pushed_version"))
            brought_back = champions.is_brought_back(registry.version(version).tags)
            served = Served(number, version, fingerprint, run_key, entry.decision, brought_back)
            files.write(Path(destination), manifest(KServeSettings.model_validate_json(kserve), served))

        served_from = Path(destination) if promote else None
        registered = _published(registry, entry, served_from, write_manifest)
        folder = Path(registration.uri)
        folder.mkdir(parents=True, exist_ok=True)
        document = _registration(registered, entry, wanted, wanted.alias if promote else None)
        (folder / "registration.json").write_text(json.dumps(document, indent=1))


def _published(
    registry: ModelRegistry, entry: ModelRecord, served_from: Path | None, write_manifest: Callable[[str], None]
) -> Registered:
    """Records the model and, where it is served, makes it the champion under the lease that the Pusher took."""
    if served_from is None:
        return publish(registry, entry, promote=False)
    lease.take(served_from, entry.fingerprint)
    with lease.given_back(served_from, entry.fingerprint):
        registered = publish(registry, entry, promote=True)
        write_manifest(registered.version)
    return registered


def _read(artifact: InputArtifact, name: str) -> dict:
    return json_text.read(Path(artifact.uri, name))


def _freeze_proof(saved_model: str) -> dict | None:
    path = Path(saved_model, "assets.extra", "freeze_proof.json")
    return json_text.read(path) if path.exists() else None


def _is_judged(model: Model, blessing: ModelBlessing) -> bool:
    """False for a model that the gate could not read: its verdict is kept, and promotes nothing."""
    if not blessing.get_string_custom_property(MODEL_FINGERPRINT):
        return False
    must_be_judged(model, blessing)
    return True


def _artifacts(
    model_uri: str, saved_model: str, verdict_uri: str, reference_uri: str, serving_uri: str, card_uri: str | None
) -> dict[Path, str]:
    found = {
        Path(saved_model): SAVED_MODEL,
        Path(model_uri, KERAS_FOLDER, KERAS_FILE): KERAS_FOLDER,
        Path(verdict_uri, "verdict.json"): "",
        Path(verdict_uri, "evidence.json"): "",
        Path(serving_uri, "serving.json"): "",
    }
    if _has_files(reference_uri):
        found[Path(reference_uri)] = REFERENCE_FOLDER
    if card_uri:
        found[Path(card_uri, "card.html")] = ""
    return {path: folder for path, folder in found.items() if path.exists()}


def _has_files(folder: str) -> bool:
    return any(path.is_file() for path in Path(folder).glob("*"))


def _baseline(info: RegisteredVersion | None, model_name: str) -> dict:
    return {
        "version": info.version if info else None,
        "run_id": (info.run_id or None) if info else None,
        "fingerprint": (info.fingerprint or None) if info else None,
        "weights_fingerprint": (info.weights or None) if info else None,
        "model_name": model_name,
    }


def _registration(registered: Registered, entry: ModelRecord, settings: RegistrySettings, alias: str | None) -> dict:
    return {
        "model_name": settings.model_name,
        "version": registered.version,
        "alias": alias,
        "tracking_uri": without_credentials(settings.uri),
        "run_id": registered.run_id,
        "fingerprint": entry.fingerprint,
        "decision": entry.decision,
        "already_registered": registered.already_registered,
    }
