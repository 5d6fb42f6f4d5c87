"""MLflow as the registry: an SQLite file with a folder beside it, or a server; the same calls."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from components.push_gate.fingerprint import directory_fingerprint
from components.registry.mlflow_connection import (
    check_header,
    or_none,
    prepare,
    reaching,
    sqlite_file,
    tolerating_existing,
)
from components.registry.protocol import (
    BASELINE,
    DECISION,
    FINGERPRINT,
    RUN_KEY,
    ChampionInfo,
    ModelRecord,
    Registered,
)
from components.registry.record import without_credentials
from components.registry.settings import RegistrySettings

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

SAVED_MODEL: Final = "Format-Serving"

_BATCH: Final = 100  # MLflow's limit of parameters and tags in one request.
_MAX_CHARACTERS: Final = {"param": 6000, "tag": 8000}  # MLflow's limits.


class MlflowRegistry:
    """A `ModelRegistry` on MLflow."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Opens the registry; an SQLite file is made if absent.

        Args:
            settings: With `uri` and `model_name` filled in.

        Raises:
            ValueError: `uri` or `model_name` is empty, or the file is no SQLite database.
            RegistryUnavailable: The database cannot be opened.
        """
        if not settings.uri or not settings.model_name:
            raise ValueError(f"the registry needs a uri and a model name; received {settings!r}. Fill both in.")
        self._settings = settings
        self._address = without_credentials(settings.uri)
        self._file = sqlite_file(settings.uri)
        check_header(self._file)
        prepare()
        # Costs a second or two, which the command line pays only when it asks the registry.
        from mlflow import MlflowClient

        with self._alone(), self._reaching():
            self._client = MlflowClient(tracking_uri=settings.uri, registry_uri=settings.uri)

    def champion(self) -> ChampionInfo | None:
        """The version under the alias, or None while there is none."""
        with self._reaching():
            model = or_none(self._client.get_registered_model, self._settings.model_name)
            number = model and model.aliases.get(self._settings.alias)
        return self.version(str(number)) if number else None

    def version(self, number: str) -> ChampionInfo:
        """The version of that number.

        Raises:
            ValueError: There is none.
        """
        with self._reaching():
            found = or_none(self._client.get_model_version, self._settings.model_name, number)
        if found is None:
            raise ValueError(
                f"model {self._settings.model_name} has no version {number} in the registry at {self._address}; "
                "it was deleted or the registry is another one."
            )
        return self._describe(found)

    def download(self, info: ChampionInfo, folder: Path) -> None:
        """Puts the version's SavedModel into `folder`/Format-Serving.

        Raises:
            ValueError: The download is not what was registered.
        """
        from mlflow.artifacts import download_artifacts

        folder.mkdir(parents=True, exist_ok=True)
        with self._reaching():
            source = self._client.get_model_version_download_uri(self._settings.model_name, info.version)
            path = Path(download_artifacts(source, dst_path=str(folder), tracking_uri=self._settings.uri))
        found = directory_fingerprint(str(path))
        if info.fingerprint not in ("", found):
            raise ValueError(
                f"version {info.version} of {self._settings.model_name} must hash to {info.fingerprint}; its files "
                f"hash to {found}. Somebody changed {source}: point the alias at another version."
            )
        if path != folder / SAVED_MODEL:
            path.rename(folder / SAVED_MODEL)

    def register(self, record: ModelRecord) -> Registered:
        """Records a run, then a version, then, if `record.promote`, the alias.

        A version with the same fingerprint and decision is kept, and told which run asked last. What an attempt that
        died left behind is completed.
        """
        with self._alone(), self._reaching():
            found = self._find_version(record)
            version = found or self._create_version(record, self._finished_run(record))
            if found:
                self._retag(found.version, record)
            # Last: whoever follows the alias finds everything there.
            if record.promote:
                self._client.set_registered_model_alias(
                    self._settings.model_name, self._settings.alias, version.version
                )
        alias = self._settings.alias if record.promote else None
        return Registered(str(version.version), version.run_id or "", alias, already_registered=found is not None)

    def _find_version(self, record: ModelRecord) -> "ModelVersion | None":
        name = self._settings.model_name
        found = self._client.search_model_versions(f"name = '{name}' and {_identity(record)}")
        return max(found, key=lambda version: int(version.version), default=None)

    def _create_version(self, record: ModelRecord, run: "Run") -> "ModelVersion":
        name = self._settings.model_name
        if or_none(self._client.get_registered_model, name) is None:
            tolerating_existing(self._client.create_registered_model, name)
        source = f"{run.info.artifact_uri.rstrip('/')}/{SAVED_MODEL}"
        tags = dict(record.tags)
        return self._client.create_model_version(name, source, run_id=run.info.run_id, tags=tags)

    def _retag(self, version: str, record: ModelRecord) -> None:
        for key in (RUN_KEY, BASELINE):
            self._client.set_model_version_tag(self._settings.model_name, version, key, record.tags.get(key, ""))

    def _finished_run(self, record: ModelRecord) -> "Run":
        experiment_id = self._experiment_id()
        runs = self._client.search_runs([experiment_id], _identity(record), max_results=1)
        run = runs[0] if runs else self._start_run(experiment_id, record)
        if run.info.status == "FINISHED":
            return run
        self._log(run, record)
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

    def _experiment_id(self) -> str:
        name = self._settings.experiment or self._settings.model_name
        if self._client.get_experiment_by_name(name) is None:
            # A server decides for itself; beside an SQLite file MLflow would use the current folder.
            folder = self._file and (self._file.parent / "mlartifacts").as_uri()
            tolerating_existing(self._client.create_experiment, name, folder)
        return self._client.get_experiment_by_name(name).experiment_id

    def _describe(self, version: "ModelVersion") -> ChampionInfo:
        return ChampionInfo(
            version=str(version.version),
            run_id=version.run_id or "",
            fingerprint=version.tags.get(FINGERPRINT, ""),
            run_key=version.tags.get(RUN_KEY, ""),
            baseline_token=version.tags.get(BASELINE, ""),
            tracking_uri=self._address,
        )

    def _alone(self) -> AbstractContextManager:
        # Two runs that register the same model at once must not both find it missing.
        return FileLock(f"{self._file}.lock", timeout=600) if self._file else nullcontext()

    def _reaching(self) -> AbstractContextManager:
        return reaching(self._address)


def champion(settings: RegistrySettings) -> ChampionInfo | None:
    """Looks the champion up for the command line; makes nothing.

    Args:
        settings: With `uri` and `model_name` filled in.

    Returns:
        The version under the alias, or None; None also, at no cost, where the SQLite file does not exist yet.

    Raises:
        RegistryUnavailable: The registry cannot be reached within bounded retries.
    """
    file = sqlite_file(settings.uri)
    return None if file and not file.exists() else MlflowRegistry(settings).champion()


def _identity(record: ModelRecord) -> str:
    return f"tags.`{FINGERPRINT}` = '{record.fingerprint}' and tags.`{DECISION}` = '{record.decision}'"
