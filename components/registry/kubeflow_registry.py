"""Kubeflow Model Registry as the registry: it knows models and versions, a storage beside it has their files."""

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

# Where a version's files are, and since when it is registered: an archived one may come back.
_SOURCE: Final = "frostgate.source"
_REGISTERED: Final = "frostgate.registered_milliseconds"
# What a version that is there already is told again.
_LAST_ASKED: Final = (RUN_KEY, BASELINE, _SOURCE)

# Decision and fingerprint; a version of any other name is somebody else's, and so are its files.
_NAME: Final = re.compile("[A-Z]+-[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


class KubeflowRegistry:
    """A `ModelRegistry` on Kubeflow Model Registry.

    A version is LIVE once everything about it is there; until then, and after it was forgotten, it is ARCHIVED, for the
    server deletes nothing. Its number is the server's id.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        """Opens the registry; asks the server nothing yet.

        Args:
            settings: With `uri`, `storage` and `model_name` filled in.

        Raises:
            DataRefused: One of them is empty or cannot be used, or the token's file cannot be read.
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
        """The version under the alias, or None while there is none."""
        number = self._champion_number(self._model())
        return self.version(number) if number else None

    def version(self, number: str) -> RegisteredVersion:
        """The version of that number.

        Raises:
            DataRefused: There is none.
        """
        model = self._model()
        if model and _NUMBER.fullmatch(number):
            found = self._server.ask_or_none(lambda api: api.get_model_version(number))
            champion = self._champion_number(model)
            if found and found.registered_model_id == model.id and _is_registered(found, champion):
                return _described(found, champion)
        raise no_version(number, self._name, self._server.address)

    def versions(self) -> list[RegisteredVersion]:
        """Every version, oldest first."""
        model = self._model()
        if model is None:
            return []
        champion = self._champion_number(model)
        found = [_described(one, champion) for one in self._all_versions(model) if _is_registered(one, champion)]
        return sorted(found, key=lambda one: (one.created, int(one.version)))

    def download(self, version: RegisteredVersion, folder: Path) -> None:
        """Puts the version's SavedModel into `folder`/Format-Serving.

        Raises:
            DataRefused: It is not what was registered, or nobody said where it is.
        """
        # Who registers by hand says it of the artifact alone.
        source = version.source or next((one.uri for one in self._artifacts(version.version) if one.uri), None)
        if not source:
            raise DataRefused(
                f"version {version.version} of {self._name} has no model artifact with an address, so its files cannot "
                "be fetched; give it one in the registry, or point the alias at another version."
            )
        fetch(source, folder / SAVED_MODEL)
        found = directory_fingerprint(str(folder / SAVED_MODEL))
        must_be_registered(version.fingerprint, version, self._name, found, source)

    def download_reference(self, version: RegisteredVersion, folder: Path) -> bool:
        """Puts the version's reference into `folder`/reference; False for a version without one.

        Raises:
            DataRefused: It is not what was registered.
        """
        return self._download_part(version, REFERENCE, folder / REFERENCE_FOLDER, directory_fingerprint)

    def download_keras(self, version: RegisteredVersion, folder: Path) -> bool:
        """Puts the version's Keras file into `folder`/Format-Keras; False for a version whose file nobody vouches for.

        Raises:
            DataRefused: It is not what was registered.
        """
        return self._download_part(
            version, KERAS, folder / KERAS_FOLDER, lambda place: file_sha256(f"{place}/{KERAS_FILE}")
        )

    def register(self, record: ModelRecord) -> Registered:
        """Keeps the files, then records the version and its artifact; that it is LIVE comes last.

        A version of the same name, which is decision and fingerprint, is completed, and told which run asked last.
        """
        name = f"{record.decision}-{record.fingerprint}"
        source = self._storage.keep(f"{self._name}/{name}", record)
        version = self._made_version(self._made_model(), name, record)
        self._make_artifact(str(version.id), source, record.fingerprint)
        is_there = version.state == ModelVersionState.LIVE
        said = _properties(record, source)
        if is_there:
            known = version.custom_properties or {}
            said = {key: value for key, value in said.items() if key not in known or key in _LAST_ASKED}
        else:
            said |= texts({_REGISTERED: str(time.time_ns() // 1_000_000)})
        self._say(str(version.id), said, ModelVersionState.LIVE)
        return Registered(str(version.id), run_id="", already_registered=is_there)

    def forget(self, versions: Sequence[RegisteredVersion]) -> None:
        """Removes versions' files and archives them: the server deletes nothing.

        Raises:
            DataRefused: One of them is the champion.
        """
        must_not_be_champion(versions, self._champion_number(self._model()))
        for version in versions:
            found = self._version(version.version)
            # The files go first: the next prune finds a version without files, nothing finds files without a version.
            if _NAME.fullmatch(found.name or ""):
                self._storage.remove(f"{self._name}/{found.name}")
            self._say(version.version, {}, ModelVersionState.ARCHIVED)

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        """Says more about a version, in place of what was said under the same names."""
        self._say(number, texts(tags))

    def move_alias(self, number: str, expected: str | None) -> None:
        """Makes a version the champion if `expected` still is.

        The server has no conditional write: the alias is read just before and just after it is set.

        Raises:
            ChampionMoved: Another one is the champion by now.
        """
        model = self._model()
        found = self._champion_number(model)
        if found == number:
            return
        if model and found == expected:
            properties = kept(model.custom_properties) | texts({self._alias: number})
            # Left out, the state would become LIVE, and the properties are replaced as a whole.
            update = RegisteredModelUpdate(custom_properties=properties, state=model.state)
            self._server.ask(lambda api: api.update_registered_model(str(model.id), update))
            found = self._champion_number(self._model())
        must_have_moved(number, self._name, expected, found)

    def _download_part(self, version: RegisteredVersion, tag: str, folder: Path, hash_of: Callable[[str], str]) -> bool:
        """Fetches the folder of that name beside the SavedModel if the tag has its hash, and compares the two."""
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
        # The search by name takes an underscore for any character; this one does not.
        query = f"name = '{self._name}'"
        found = self._server.pages(lambda api, **page: api.get_registered_models(filter_query=query, **page))
        return next((model for model in found if model.name == self._name), None)

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
            lambda: next((one for one in self._all_versions(model, name=name) if one.name == name), None),
            lambda api: api.create_model_version(create),
        )

    def _artifacts(self, number: str) -> Iterator[ModelArtifact]:
        model = ArtifactTypeQueryParam.MODEL_MINUS_ARTIFACT
        found = self._server.pages(
            lambda api, **page: api.get_model_version_artifacts(number, artifact_type=model, **page)
        )
        values = (one.actual_instance for one in found)
        return (value for value in values if isinstance(value, ModelArtifact))

    def _make_artifact(self, number: str, source: str, fingerprint: str) -> None:
        # As model servers call it.
        wanted = {"uri": source, "model_format_name": "tensorflow", "model_format_version": "2"}
        said = texts({FINGERPRINT: fingerprint})
        create = Artifact(ModelArtifact(name=SAVED_MODEL, state=ArtifactState.LIVE, custom_properties=said, **wanted))
        made = self._server.make(
            lambda: next((Artifact(one) for one in self._artifacts(number) if one.name == SAVED_MODEL), None),
            lambda api: api.upsert_model_version_artifact(number, create),
        ).actual_instance
        known = kept(made.custom_properties)
        if made.uri != source or texts_of(known).get(FINGERPRINT) != fingerprint:
            update = ModelArtifactUpdate(custom_properties=known | said, state=ArtifactState.LIVE, **wanted)
            self._server.ask(lambda api: api.update_model_artifact(str(made.id), update))

    def _say(self, number: str, said: Properties, state: ModelVersionState | None = None) -> None:
        """Adds to a version's properties, which the server only replaces as a whole."""
        found = self._version(number)
        # Left out, the state would become LIVE.
        properties = kept(found.custom_properties) | said
        update = ModelVersionUpdate(custom_properties=properties, state=state or found.state)
        self._server.ask(lambda api: api.update_model_version(number, update))


def _properties(record: ModelRecord, source: str) -> Properties:
    tags = {key: value for key, value in record.tags.items() if not key.startswith("mlflow.")}
    return texts(tags | {_SOURCE: source}) | numbers(record.metrics)


def _is_registered(version: ModelVersion, champion: str | None) -> bool:
    # Somebody may have archived the champion by hand; it serves nevertheless.
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
