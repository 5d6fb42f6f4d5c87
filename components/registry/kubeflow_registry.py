"""Kubeflow Model Registry as the registry: the server records models and versions, a storage beside it keeps files."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mr_openapi import (
    Artifact,
    ArtifactState,
    ArtifactTypeQueryParam,
    ModelArtifact,
    ModelArtifactUpdate,
    ModelVersion,
    ModelVersionCreate,
    ModelVersionState,
    ModelVersionUpdate,
    OrderByField,
    RegisteredModel,
    RegisteredModelCreate,
    RegisteredModelUpdate,
)

from components.errors import DataRefused
from components.push_gate.fingerprint import directory_fingerprint, file_sha256
from components.registry.kubeflow_connection import Connection
from components.registry.kubeflow_properties import Properties, kept, numbers, texts, texts_of
from components.registry.kubeflow_storage import ModelStorage, fetch
from components.registry.protocol import (
    BASELINE,
    FINGERPRINT,
    KERAS,
    KERAS_FILE,
    KERAS_FOLDER,
    REFERENCE,
    REFERENCE_FOLDER,
    RUN_KEY,
    SAVED_MODEL,
    SENTENCE,
    ModelRecord,
    Registered,
    RegisteredVersion,
)
from components.registry.refusals import must_be_registered, must_have_moved, must_not_be_champion, no_version
from components.registry.settings import MODEL_NAME, RegistrySettings

# Properties of a version: where its files are, and when it was registered. The server knows only when it was created,
# which is earlier where an archived version was registered again.
_SOURCE: Final = "frostgate.source"
_REGISTERED: Final = "frostgate.registered_milliseconds"
# The properties that are replaced when a version is registered again.
_REPLACED: Final = (RUN_KEY, BASELINE, _SOURCE)

# A name of ours is decision and fingerprint; a version with any other name, and its files, are not ours to remove.
_NAME: Final = re.compile("[A-Z]+-[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


class KubeflowRegistry:
    """A `ModelRegistry` on Kubeflow Model Registry.

    A version is LIVE once it is complete. Before that, and after `forget`, it is ARCHIVED, because the server deletes
    nothing. Its number is the server's id.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        """Opens the registry; sends no request yet.

        Args:
            settings: With `uri`, `storage` and `model_name` filled in.

        Raises:
            DataRefused: One of these settings is empty or cannot be used, or the token's file cannot be read.
        """
        if not settings.uri or not settings.storage or not MODEL_NAME.fullmatch(settings.model_name):
            raise DataRefused(
                "a Kubeflow Model Registry needs a uri, a storage, and a model name of letters, digits, spaces, dots, "
                f"hyphens and underscores; received {settings!r}. Fill them in."
            )
        self._name = settings.model_name
        self._alias = f"frostgate.{settings.alias}"
        self._server = Connection(settings.uri)
        self._storage = ModelStorage(settings.storage)

    def champion(self) -> RegisteredVersion | None:
        """Returns the version under the alias, or None while there is none."""
        number = self._champion_number(self._model())
        return self.version(number) if number else None

    def version(self, number: str) -> RegisteredVersion:
        """Returns the version with a number.

        Raises:
            DataRefused: There is no such version.
        """
        model = self._model()
        if model and _NUMBER.fullmatch(number):
            version = self._server.ask_or_none(lambda api: api.get_model_version(number))
            champion = self._champion_number(model)
            if version and version.registered_model_id == model.id and _is_registered(version, champion):
                return _described(version, champion)
        raise no_version(number, self._name, self._server.address)

    def versions(self) -> list[RegisteredVersion]:
        """Returns every registered version, oldest first."""
        model = self._model()
        if model is None:
            return []
        champion = self._champion_number(model)
        versions = (version for version in self._all_versions(model) if _is_registered(version, champion))
        described = [_described(version, champion) for version in versions]
        return sorted(described, key=lambda version: (version.created, int(version.version)))

    def download(self, version: RegisteredVersion, folder: Path) -> None:
        """Puts the version's SavedModel into `folder`/Format-Serving.

        Raises:
            DataRefused: The files are not what was registered, or their address is not known.
        """
        # A version that was registered by hand has its address only in its artifact.
        artifacts = self._artifacts(version.version)
        source = version.source or next((artifact.uri for artifact in artifacts if artifact.uri), None)
        if not source:
            raise DataRefused(
                f"version {version.version} of {self._name} has no model artifact with an address, so its files cannot "
                "be fetched; give it one in the registry, or point the alias at another version."
            )
        fetch(source, folder / SAVED_MODEL)
        fingerprint = directory_fingerprint(str(folder / SAVED_MODEL))
        must_be_registered(version.fingerprint, version, self._name, fingerprint, source)

    def download_reference(self, version: RegisteredVersion, folder: Path) -> bool:
        """Puts the version's reference into `folder`/reference; False for a version without one.

        Raises:
            DataRefused: The reference is not what was registered.
        """
        return self._download_part(version, REFERENCE, folder / REFERENCE_FOLDER, directory_fingerprint)

    def download_keras(self, version: RegisteredVersion, folder: Path) -> bool:
        """Puts the version's Keras file into `folder`/Format-Keras; False where no hash of the file was registered.

        Raises:
            DataRefused: The file is not what was registered.
        """
        return self._download_part(
            version, KERAS, folder / KERAS_FOLDER, lambda keras_folder: file_sha256(f"{keras_folder}/{KERAS_FILE}")
        )

    def register(self, record: ModelRecord) -> Registered:
        """Stores the files, records the version and its artifact, and last of all makes the version LIVE.

        A version that has the same name already, which is decision and fingerprint, is completed; it keeps the
        properties that it has, except those that follow the run that registers last.
        """
        name = f"{record.decision}-{record.fingerprint}"
        source = self._storage.keep(f"{self._name}/{name}", record)
        version = self._made_version(self._made_model(), name, record)
        self._make_artifact(str(version.id), source, record.fingerprint)
        is_registered = version.state == ModelVersionState.LIVE
        properties = _properties(record, source)
        if is_registered:
            known = version.custom_properties or {}
            properties = {key: value for key, value in properties.items() if key not in known or key in _REPLACED}
        else:
            properties |= texts({_REGISTERED: str(time.time_ns() // 1_000_000)})
        self._update(str(version.id), properties, ModelVersionState.LIVE)
        return Registered(str(version.id), run_id="", already_registered=is_registered)

    def forget(self, versions: Sequence[RegisteredVersion]) -> None:
        """Removes the versions' files and archives the versions, because the server deletes nothing.

        Raises:
            DataRefused: One of them is the champion.
        """
        must_not_be_champion(versions, self._champion_number(self._model()))
        for version in versions:
            name = self._version(version.version).name or ""
            # The files go first: the next prune finds a version without files, but nothing would ever find files
            # without a version.
            if _NAME.fullmatch(name):
                self._storage.remove(f"{self._name}/{name}")
            self._update(version.version, {}, ModelVersionState.ARCHIVED)

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        """Adds tags to a version; a tag replaces one of the same name."""
        self._update(number, texts(tags))

    def move_alias(self, number: str, expected: str | None) -> None:
        """Makes a version the champion if `expected` still is the champion.

        The server has no conditional write: the alias is read just before and just after it is set.

        Raises:
            ChampionMoved: Another version is the champion by now.
        """
        model = self._model()
        champion = self._champion_number(model)
        if champion == number:
            return
        if model and champion == expected:
            # The server replaces all properties, and makes the model LIVE where the update names no state.
            properties = kept(model.custom_properties) | texts({self._alias: number})
            update = RegisteredModelUpdate(custom_properties=properties, state=model.state)
            self._server.ask(lambda api: api.update_registered_model(str(model.id), update))
            champion = self._champion_number(self._model())
        must_have_moved(number, self._name, expected, champion)

    def _download_part(self, version: RegisteredVersion, tag: str, folder: Path, hash_of: Callable[[str], str]) -> bool:
        """Fetches the folder of the same name that lies beside the SavedModel, and compares it with the tag's hash.

        Returns False, and fetches nothing, where the version has no such tag.
        """
        expected = version.tags.get(tag)
        if not expected:
            return False
        source = f"{version.source.rpartition('/')[0]}/{folder.name}"
        fetch(source, folder)
        must_be_registered(expected, version, self._name, hash_of(str(folder)), source)
        return True

    def _champion_number(self, model: RegisteredModel | None) -> str | None:
        return (texts_of(model.custom_properties).get(self._alias) or None) if model else None

    def _model(self) -> RegisteredModel | None:
        # The server's search by name takes an underscore for any character; a filter query does not.
        query = f"name = '{self._name}'"
        models = self._server.pages(lambda api, **page: api.get_registered_models(filter_query=query, **page))
        return next((model for model in models if model.name == self._name), None)

    def _made_model(self) -> RegisteredModel:
        create = RegisteredModelCreate(name=self._name)
        return self._server.make(self._model, lambda api: api.create_registered_model(create))

    def _all_versions(self, model: RegisteredModel, **query: Any) -> Iterator[ModelVersion]:
        return self._server.pages(
            lambda api, **page: api.get_registered_model_versions(
                str(model.id), order_by=OrderByField.ID, **query, **page
            )
        )

    def _version(self, number: str) -> ModelVersion:
        return self._server.ask(lambda api: api.get_model_version(number))

    def _made_version(self, model: RegisteredModel, name: str, record: ModelRecord) -> ModelVersion:
        create = ModelVersionCreate(
            name=name,
            registered_model_id=str(model.id),
            description=record.tags.get(SENTENCE),
            state=ModelVersionState.ARCHIVED,
        )
        return self._server.make(
            lambda: next((version for version in self._all_versions(model, name=name) if version.name == name), None),
            lambda api: api.create_model_version(create),
        )

    def _artifacts(self, number: str) -> Iterator[ModelArtifact]:
        model_type = ArtifactTypeQueryParam.MODEL_MINUS_ARTIFACT
        artifacts = self._server.pages(
            lambda api, **page: api.get_model_version_artifacts(number, artifact_type=model_type, **page)
        )
        values = (artifact.actual_instance for artifact in artifacts)
        return (value for value in values if isinstance(value, ModelArtifact))

    def _make_artifact(self, number: str, source: str, fingerprint: str) -> None:
        # Model servers know the format by this name and version.
        fields = {"uri": source, "model_format_name": "tensorflow", "model_format_version": "2"}
        properties = texts({FINGERPRINT: fingerprint})
        create = Artifact(
            ModelArtifact(name=SAVED_MODEL, state=ArtifactState.LIVE, custom_properties=properties, **fields)
        )
        made = self._server.make(
            lambda: next((Artifact(known) for known in self._artifacts(number) if known.name == SAVED_MODEL), None),
            lambda api: api.upsert_model_version_artifact(number, create),
        ).actual_instance
        known = kept(made.custom_properties)
        if made.uri != source or texts_of(known).get(FINGERPRINT) != fingerprint:
            update = ModelArtifactUpdate(custom_properties=known | properties, state=ArtifactState.LIVE, **fields)
            self._server.ask(lambda api: api.update_model_artifact(str(made.id), update))

    def _update(self, number: str, properties: Properties, state: ModelVersionState | None = None) -> None:
        """Adds properties to a version; None keeps its state."""
        version = self._version(number)
        # The server replaces all properties, and makes the version LIVE where the update names no state.
        properties = kept(version.custom_properties) | properties
        update = ModelVersionUpdate(custom_properties=properties, state=state or version.state)
        self._server.ask(lambda api: api.update_model_version(number, update))


def _properties(record: ModelRecord, source: str) -> Properties:
    tags = {key: value for key, value in record.tags.items() if not key.startswith("mlflow.")}
    return texts(tags | {_SOURCE: source}) | numbers(record.metrics)


def _is_registered(version: ModelVersion, champion: str | None) -> bool:
    # The champion counts as registered even where somebody archived it by hand, because it still serves.
    return version.state != ModelVersionState.ARCHIVED or version.id == champion


def _described(version: ModelVersion, champion: str | None) -> RegisteredVersion:
    tags = texts_of(version.custom_properties)
    registered = tags.pop(_REGISTERED, "")
    return RegisteredVersion(
        version=str(version.id),
        run_id="",
        source=tags.pop(_SOURCE, ""),
        tags=tags,
        created=int(registered if registered.isdigit() else version.create_time_since_epoch or 0),
        is_champion=version.id == champion,
    )
