"""MLflow as the registry: an SQLite file with a folder beside it, or a server; the same calls."""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components import whole_files
from components.credentials import complete
from components.errors import DataRefused, without_credentials
from components.push_gate.fingerprint import directory_fingerprint, file_sha256
from components.registry.mlflow_connection import (
    ARTIFACTS,
    check_place,
    collect_garbage,
    inside_of,
    make_whole,
    opening,
    or_half_made,
    or_none,
    prepare,
    reaching,
    sqlite_file,
    tolerating_existing,
    twice,
)
from components.registry.protocol import (
    BASELINE,
    DECISION,
    FINGERPRINT,
    KERAS,
    KERAS_FILE,
    KERAS_FOLDER,
    REFERENCE,
    REFERENCE_FOLDER,
    RUN_KEY,
    SAVED_MODEL,
    ModelRecord,
    Registered,
    RegisteredVersion,
)
from components.registry.refusals import must_be_registered, must_have_moved, must_not_be_champion, no_version
from components.registry.settings import RegistrySettings

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

_BATCH: Final = 100  # MLflow's limit of parameters and tags in one request.
_MAX_CHARACTERS: Final = {"param": 6000, "tag": 8000}  # MLflow's limits.


class MlflowRegistry:
    """A `ModelRegistry` on MLflow."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Opens the registry; an SQLite file is made if absent.

        Args:
            settings: With `uri` and `model_name` filled in.

        Raises:
            ValueError: `uri` or `model_name` is empty.
            DataRefused: The file is no database of MLflow's, was left half made, or was moved or copied without the
                models that it names, or MLflow cannot open such an address here.
            RegistryUnavailable: The database cannot be opened.
        """
        if not settings.uri or not settings.model_name:
            raise ValueError(f"the registry needs a uri and a model name; received {settings!r}. Fill both in.")
        self._settings = settings
        self._address = without_credentials(settings.uri)
        self._file = sqlite_file(settings.uri)
        check_place(self._file)
        prepare()
        # Costs a second or two, which the command line pays only when it asks the registry.
        from mlflow import MlflowClient

        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._alone(), self._reaching():
            if self._file:
                make_whole(self._file)
            with opening(self._address), or_half_made(self._file):
                uri = complete(settings.uri)
                self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def champion(self) -> RegisteredVersion | None:
        """The version under the alias, or None while there is none."""
        with self._reaching():
            number = self._champion_number()
        return self.version(number) if number else None

    def version(self, number: str) -> RegisteredVersion:
        """The version of that number.

        Raises:
            DataRefused: There is none.
        """
        with self._reaching():
            # MLflow calls what is no number a mistake of the program, which it is not.
            is_number = number.isdecimal()
            found = or_none(self._client.get_model_version, self._settings.model_name, number) if is_number else None
            if found is None:
                raise no_version(number, self._settings.model_name, self._address)
            return self._describe(found, self._champion_number())

    def versions(self) -> list[RegisteredVersion]:
        """Every version, oldest first."""
        with self._reaching():
            champion = self._champion_number()
            return [self._describe(one, champion) for one in self._search(f"name = '{self._settings.model_name}'")]

    def download(self, version: RegisteredVersion, folder: Path) -> None:
        """Puts the version's SavedModel into `folder`/Format-Serving.

        Raises:
            DataRefused: The download is not what was registered.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with self._reaching():
            source = self._client.get_model_version_download_uri(self._settings.model_name, version.version)
            path = self._fetched(source, folder)
        found = directory_fingerprint(str(path))
        must_be_registered(version.fingerprint, version, self._settings.model_name, found, source)
        if path != folder / SAVED_MODEL:
            path.rename(folder / SAVED_MODEL)

    def download_reference(self, version: RegisteredVersion, folder: Path) -> bool:
        """Puts the version's reference into `folder`/reference; False for a version without one.

        Raises:
            DataRefused: The download is not what was registered.
        """
        return self._download_part(version, REFERENCE, REFERENCE_FOLDER, folder, directory_fingerprint)

    def download_keras(self, version: RegisteredVersion, folder: Path) -> bool:
        """Puts the version's Keras file into `folder`/Format-Keras; False for a version whose file nobody vouches for.

        Raises:
            DataRefused: The download is not what was registered.
        """
        return self._download_part(version, KERAS, f"{KERAS_FOLDER}/{KERAS_FILE}", folder / KERAS_FOLDER, file_sha256)

    def register(self, record: ModelRecord) -> Registered:
        """Records a run, then a version.

        A version with the same fingerprint and decision is kept, and told which run asked last; files of it that are
        gone or damaged are uploaded again. What an attempt that died left behind is completed.
        """
        with self._alone(), self._reaching():
            there = self._same(record)
            if not there:
                self._create_version(record, self._finished_run(record))
            version = self._only_one(record)
            if there:
                self._restore(version, record)
                self.tag(version.version, {key: record.tags.get(key, "") for key in (RUN_KEY, BASELINE)})
        return Registered(str(version.version), version.run_id or "", already_registered=bool(there))

    def forget(self, versions: Sequence[RegisteredVersion]) -> None:
        """Removes versions and their runs; beside an SQLite file their files, too.

        A server's files go with `mlflow gc`, where its database is. Beside an SQLite file those go that are below its
        folder, and no others.

        Raises:
            DataRefused: One of them is the champion.
        """
        run_ids = [version.run_id for version in versions if version.run_id]
        with self._alone(), self._reaching():
            must_not_be_champion(versions, self._champion_number())
            for version in versions:
                or_none(self._client.delete_model_version, self._settings.model_name, version.version)
            for run_id in run_ids:
                or_none(self._client.delete_run, run_id)
            if self._file and run_ids:
                inside = inside_of(self._file, run_ids)
                if outside := sorted(set(run_ids) - set(inside)):
                    logging.warning("the files of MLflow runs %s lie outside %s and stay", outside, self._file.parent)
                if inside:  # For none the command would take every run that was deleted.
                    collect_garbage(self._settings.uri, inside)

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        """Says more about a version, in place of what was said under the same names."""
        with self._reaching():
            for key, value in tags.items():
                twice(self._client.set_model_version_tag, self._settings.model_name, number, key, value)

    def move_alias(self, number: str, expected: str | None) -> None:
        """Makes a version the champion if `expected` still is.

        MLflow has no conditional write: beside an SQLite file a lock makes it one; on a server the alias is read just
        before and just after it is set.

        Raises:
            ChampionMoved: Another one is the champion by now.
        """
        with self._alone(), self._reaching():
            found = self._champion_number()
            if found == number:
                return
            if found == expected:
                twice(self._client.set_registered_model_alias, self._settings.model_name, self._settings.alias, number)
                found = self._champion_number()
        must_have_moved(number, self._settings.model_name, expected, found)

    def _champion_number(self) -> str | None:
        model = or_none(self._client.get_registered_model, self._settings.model_name)
        number = model and model.aliases.get(self._settings.alias)
        return str(number) if number else None

    def _search(self, filter_string: str) -> "list[ModelVersion]":
        found: list[ModelVersion] = []
        token = None
        while True:
            page = self._client.search_model_versions(filter_string, page_token=token)
            found += page
            token = page.token
            if not token:
                return sorted(found, key=lambda one: int(one.version))

    def _same(self, record: ModelRecord) -> "list[ModelVersion]":
        return self._search(f"name = '{self._settings.model_name}' and {_identity(record)}")

    def _create_version(self, record: ModelRecord, run: "Run") -> None:
        name = self._settings.model_name
        if or_none(self._client.get_registered_model, name) is None:
            tolerating_existing(self._client.create_registered_model, name)
        source = f"{run.info.artifact_uri.rstrip('/')}/{SAVED_MODEL}"
        self._client.create_model_version(name, source, run_id=run.info.run_id, tags=dict(record.tags))

    def _restore(self, version: "ModelVersion", record: ModelRecord) -> None:
        """Uploads again what somebody removed or damaged."""
        from mlflow.exceptions import MlflowException

        run = or_none(self._client.get_run, version.run_id)
        if run is None:
            raise DataRefused(
                f"version {version.version} of {self._settings.model_name} in {self._address} must have its MLflow "
                f"run; {version.run_id} is gone, and its files with it. Delete the version there and run again."
            )
        if run.info.lifecycle_stage == "deleted":
            self._client.restore_run(version.run_id)
        try:
            self._verify(run, record)
        except (MlflowException, OSError, ValueError):
            self._clear(run)
            self._log(run, record)
            self._verify(run, record)

    def _clear(self, run: "Run") -> None:
        """Removes what lies where a model was: uploading over it would leave what is none of the model's files."""
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if self._file and not inside_of(self._file, [run.info.run_id]):
            return
        uri = complete(self._settings.uri)
        # A store that cannot remove, or is away: what is too much is named when the upload is read back.
        with contextlib.suppress(MlflowException, NotImplementedError, OSError):
            get_artifact_repository(run.info.artifact_uri, tracking_uri=uri).delete_artifacts(SAVED_MODEL)

    def _only_one(self, record: ModelRecord) -> "ModelVersion":
        """Keeps the first version of the model and removes those that others made at the same time.

        A server has no lock, but gives every number out once; the version that was made first is seen by everybody who
        looks after making their own.
        """
        first, *later = self._same(record)
        for one in later:
            or_none(self._client.delete_model_version, self._settings.model_name, one.version)
            if one.run_id and one.run_id != first.run_id:
                or_none(self._client.delete_run, one.run_id)
        return first

    def _finished_run(self, record: ModelRecord) -> "Run":
        experiment_id = self._experiment_id()
        runs = self._client.search_runs([experiment_id], _identity(record), max_results=1)
        run = runs[0] if runs else self._start_run(experiment_id, record)
        if run.info.status == "FINISHED":
            return run
        self._log(run, record)
        self._verify(run, record)
        # Finished says that everything was uploaded; an attempt that finds a run without it starts the upload again.
        self._client.set_terminated(run.info.run_id, "FINISHED")
        return run

    def _start_run(self, experiment_id: str, record: ModelRecord) -> "Run":
        identity = {FINGERPRINT: record.fingerprint, DECISION: record.decision}
        name = f"{record.decision}-{record.fingerprint[:12]}"
        return self._client.create_run(experiment_id, tags=identity, run_name=name)

    def _log(self, run: "Run", record: ModelRecord) -> None:
        from mlflow.entities import Metric, Param, RunTag

        run_id, now = run.info.run_id, run.info.start_time
        # Parameters cannot change once logged, and the attempt that died may have had others.
        new = {name: value for name, value in record.params.items() if name not in run.data.params}
        params = [Param(name, value[: _MAX_CHARACTERS["param"]]) for name, value in new.items()]
        tags = [RunTag(name, value[: _MAX_CHARACTERS["tag"]]) for name, value in record.tags.items()]
        for start in range(0, max(len(params), len(tags)), _BATCH):
            batch = slice(start, start + _BATCH)
            self._client.log_batch(run_id, params=params[batch], tags=tags[batch])
        self._client.log_batch(run_id, [Metric(name, value, now, 0) for name, value in record.metrics.items()])
        for path, folder in record.artifacts.items():
            upload = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
            upload(run_id, str(path), folder or None)

    def _verify(self, run: "Run", record: ModelRecord) -> None:
        """Reads the uploaded model back: what is registered is what was judged."""
        with tempfile.TemporaryDirectory() as folder:
            path = self._fetched(f"{run.info.artifact_uri.rstrip('/')}/{SAVED_MODEL}", Path(folder))
            found = directory_fingerprint(str(path))
        if found != record.fingerprint:
            raise OSError(f"the uploaded model hashes to {found}, the judged one to {record.fingerprint}")

    def _download_part(
        self, version: RegisteredVersion, tag: str, part: str, folder: Path, hash_of: Callable[[str], str]
    ) -> bool:
        """Fetches a file or folder of the version's run if the tag has its hash, and compares the two."""
        expected = version.tags.get(tag)
        if not expected:
            return False
        source = f"runs:/{version.run_id}/{part}"
        folder.mkdir(parents=True, exist_ok=True)
        with self._reaching():
            found = hash_of(str(self._fetched(source, folder)))
        must_be_registered(expected, version, self._settings.model_name, found, source)
        return True

    def _fetched(self, source: str, folder: Path) -> Path:
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(source, dst_path=str(folder), tracking_uri=complete(self._settings.uri)))

    def _experiment_id(self) -> str:
        name = self._settings.experiment or self._settings.model_name
        if self._client.get_experiment_by_name(name) is None:
            # A server decides for itself; beside an SQLite file MLflow would use the current folder.
            folder = self._file and (self._file.parent / ARTIFACTS).as_uri()
            tolerating_existing(self._client.create_experiment, name, folder)
        return self._client.get_experiment_by_name(name).experiment_id

    def _describe(self, version: "ModelVersion", champion: str | None) -> RegisteredVersion:
        return RegisteredVersion(
            version=str(version.version),
            run_id=version.run_id or "",
            tags=dict(version.tags),
            source=version.source or "",
            created=int(version.creation_timestamp or 0),
            is_champion=str(version.version) == champion,
        )

    def _alone(self) -> AbstractContextManager:
        # Two runs that register the same model at once must not both find it missing.
        return whole_files.lock(self._file.with_name(f"{self._file.name}.lock"), 600) if self._file else nullcontext()

    def _reaching(self) -> AbstractContextManager:
        return reaching(self._address)


def _identity(record: ModelRecord) -> str:
    return f"tags.`{FINGERPRINT}` = '{record.fingerprint}' and tags.`{DECISION}` = '{record.decision}'"
