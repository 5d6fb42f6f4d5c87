"""From a configuration to everything a run needs to know before its first node: folders, data, classes, baseline."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.backbone.settings import NAMED_WEIGHTS
from components.errors import DataRefused
from components.ingest import embedded, storage
from components.ingest.settings import DataSettings
from components.ingest.sources import SourceSummary, discover
from components.kserve.manifest import service_name
from components.kserve.settings import KServeSettings
from components.registry.champions import champion_of
from components.registry.protocol import RegisteredVersion
from components.registry.settings import RegistrySettings
from pipeline.code_hash import code_hash
from pipeline.config import Config, fingerprint
from schemas.images import write_schema


@dataclass(frozen=True)
class Folders:
    """Where a pipeline keeps what it makes."""

    root: Path
    """All of one pipeline's runs."""
    cache: Path
    """Shared by pipelines: embedded data, downloads, pretrained weights."""

    @property
    def artifacts(self) -> Path:
        """TFX's pipeline root."""
        return self.root / "artifacts"

    @property
    def metadata(self) -> Path:
        """The ML Metadata store."""
        return self.root / "metadata.sqlite"

    @property
    def trainings(self) -> Path:
        """A folder a training: features and checkpoints. Another pipeline's runs may go on beside this one's."""
        return self.cache / "training" / self.root.name

    @property
    def runs(self) -> Path:
        """A folder a run: summary, log, card."""
        return self.root / "runs"

    @property
    def models(self) -> Path:
        """Where versions are pushed unless the configuration says otherwise."""
        return self.root / "models"


@dataclass(frozen=True)
class Plan:
    """A configuration with everything looked up that decides what the run will do."""

    config: Config
    folders: Folders
    data: DataSettings
    """With an embedded example's folder in place of its name."""
    source: SourceSummary
    pretrain_dir: str
    """The source task's folder; empty unless the backbone is pretrained here."""
    pretrain_fingerprint: str
    """The source task's, or that of a weights file of one's own."""
    schema_file: str
    """What TFDV holds the images against, with the classes in it."""
    registry: RegistrySettings
    """With everything filled in that its kind needs."""
    destination: str
    """Where versions are pushed."""
    kserve: KServeSettings
    """With the name, and the storage uri where it is known."""
    run_key: str
    """Same configuration, data and code: same key."""
    baseline: str
    """The registered version to beat, or `none`."""
    versions: tuple[RegisteredVersion, ...]
    """What the registry holds; empty where it is not looked at."""
    git_revision: str
    image: str
    """Of the container, by digest; empty outside a cluster."""
    code_hash: Callable[[str], str]
    """A module's name to a hash of everything of ours that it runs."""


def folders_of(config: Config) -> Folders:
    """Returns where a configuration's runs live; makes nothing."""
    output = Path(config.output).absolute()
    return Folders(root=output / config.name, cache=output / "cache")


def resolve(config: Config) -> Plan:
    """Looks up what decides a run: data and classes, the source task, the champion.

    Raises:
        DataRefused: The data cannot be read or are of the wrong form.
    """
    folders = folders_of(config)
    data = located(config.data, folders)
    source = discover(data)
    pretrain_dir, pretrain_fingerprint = pretraining(config, folders)
    pretrain_fingerprint = pretrain_fingerprint or weights_fingerprint(config)
    registry = effective_registry(config, folders)
    key = run_key(config, source, pretrain_fingerprint, code_hash)
    versions = _versions(registry)
    return Plan(
        config=config,
        folders=folders,
        data=data,
        source=source,
        pretrain_dir=pretrain_dir,
        pretrain_fingerprint=pretrain_fingerprint,
        schema_file=write_schema(source.classes, str(folders.cache / "schemas")),
        registry=registry,
        destination=push_destination(config),
        kserve=effective_kserve(config),
        run_key=key,
        baseline=_baseline(versions, key),
        versions=versions,
        git_revision=_git_revision(),
        image="",
        code_hash=code_hash,
    )


def effective_registry(config: Config, folders: Folders) -> RegistrySettings:
    """Fills in what the registry settings leave to the pipeline."""
    settings = config.registry
    filled = {"model_name": settings.model_name or config.name}
    if settings.kind == "mlflow":
        filled["uri"] = settings.uri or f"sqlite:///{folders.root / 'mlflow.db'}"
        filled["experiment"] = settings.experiment or config.name
    elif "://" not in settings.storage:
        filled["storage"] = str(Path(settings.storage).absolute())
    return settings.model_copy(update=filled)


def push_destination(config: Config) -> str:
    """Returns the folder that receives served versions."""
    return str(Path(config.push.destination or folders_of(config).models).absolute())


def effective_kserve(config: Config) -> KServeSettings:
    """Fills in what the settings of KServe leave to the pipeline; the storage uri stays empty where nobody knows it."""
    settings, destination = config.kserve, Path(push_destination(config))
    mount = config.kubeflow.mount
    in_volume = destination.relative_to(mount) if destination.is_relative_to(mount) else None
    derived = f"pvc://{config.kubeflow.volume}/{in_volume}" if in_volume else ""
    return settings.model_copy(
        update={"name": service_name(settings, config.name), "storage_uri": settings.storage_uri or derived}
    )


def located(data: DataSettings, folders: Folders) -> DataSettings:
    """Writes an embedded example to the cache, once, and puts its folder in place of its name."""
    if not embedded.is_embedded(data.uri):
        return data
    return data.model_copy(update={"uri": embedded.materialise(data.uri, str(folders.cache / "embedded"))})


def pretraining(config: Config, folders: Folders) -> tuple[str, str]:
    """Returns the source task's folder and fingerprint; two empty texts unless the backbone is pretrained here."""
    if config.backbone.weights != "pretrain":
        return "", ""
    task = located(DataSettings(uri=config.backbone.pretrain.data_uri, format="folder"), folders)
    return task.uri, discover(task).fingerprint


def weights_fingerprint(config: Config) -> str:
    """Returns the fingerprint of a weights file of one's own; an empty text where `backbone.weights` names none.

    Raises:
        DataRefused: There is no such file, or its store does not let us in.
    """
    uri = config.backbone.weights
    if uri in NAMED_WEIGHTS:
        return ""
    files, path = storage.filesystem(uri)
    try:
        info = files.info(path)
    except FileNotFoundError:
        info = None
    # Every store raises errors of its own, and many of them are no OSError.
    except Exception as error:
        raise DataRefused(
            f"backbone.weights must be a readable file; {uri} is not ({error}). Correct the address or the rights."
        ) from error
    if info is None or info["type"] == "directory":
        raise DataRefused(f"backbone.weights must be a file; there is none at {uri}. Correct the path.")
    return storage.fingerprint([("", storage.stamp(path, info))])


def run_key(config: Config, source: SourceSummary, pretrain_fingerprint: str, hash_of: Callable[[str], str]) -> str:
    """Hashes what a run is made of: same configuration, data and code, same key."""
    parts = [fingerprint(config), source.fingerprint, *source.classes, pretrain_fingerprint]
    parts += [hash_of("pipeline.training"), hash_of(config.trainer.run_fn.rpartition(".")[0])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _versions(registry: RegistrySettings) -> tuple[RegisteredVersion, ...]:
    from components.registry.opening import existing_registry  # MLflow takes a second to import.

    found = existing_registry(registry)
    return tuple(found.versions()) if found else ()


def _baseline(versions: Sequence[RegisteredVersion], key: str) -> str:
    current = champion_of(versions)
    if current is None:
        return "none"
    # The champion came from this very configuration, data and code: the run is a repetition, to be judged by what the
    # first one was judged by, or nothing would ever be a cache hit.
    return current.baseline_token if current.run_key == key else current.version


def _git_revision() -> str:
    """Returns the commit of the checkout that the command runs in; empty outside one."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
