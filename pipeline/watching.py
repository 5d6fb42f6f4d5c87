"""From a configuration to everything that a look at the log of requests needs to know before its first node."""

from collections.abc import Callable
from dataclasses import dataclass

from components.errors import DataRefused
from components.registry.protocol import RegisteredVersion
from components.registry.settings import RegistrySettings
from components.serving_log.days import files_of, window
from components.serving_log.refusals import no_champion
from pipeline.code_hash import code_hash
from pipeline.config import Config
from pipeline.resolve import Folders, effective_registry, folders_of
from schemas.images import served_comparators


@dataclass(frozen=True)
class Watch:
    """One look at the log."""

    config: Config
    folders: Folders
    """Of the monitoring pipeline, beside the training pipeline's."""
    registry: RegistrySettings
    """With uri, names and experiment filled in."""
    champion: str
    """The registered version whose requests are looked at."""
    fingerprint: str
    """Of its model in the registry; empty where that is not known before the first node."""
    until: str
    """The window's last day, YYYY-MM-DD."""
    num_files: int
    """Of the window."""
    log_fingerprint: str
    """A hash of the window's files; it changes whenever one of them does."""
    code_hash: Callable[[str], str]
    """A module's name to a hash of everything of ours that it runs."""


def monitoring_folders(config: Config) -> Folders:
    """Returns where the looks at a pipeline's log live; makes nothing."""
    training = folders_of(config)
    return Folders(root=training.root / "monitoring", cache=training.cache)


def look_up(config: Config, until: str) -> Watch:
    """Looks up what decides a look at the log.

    Args:
        config: Whose champion and log are meant.
        until: The window's last day, YYYY-MM-DD; empty: today, UTC.

    Raises:
        DataRefused: There is no log or no champion, `until` is no day, or a threshold is of no feature.
        RegistryUnavailable: The registry cannot be asked.
    """
    check_thresholds(config)
    days = window(until, config.drift.num_days)
    fingerprint, files = files_of(config.serving_log.uri, days)
    registry = effective_registry(config, folders_of(config))
    champion = _champion(registry)
    return Watch(
        config=config,
        folders=monitoring_folders(config),
        registry=registry,
        champion=champion.version,
        fingerprint=champion.fingerprint,
        until=days[-1].isoformat(),
        num_files=len(files),
        log_fingerprint=fingerprint,
        code_hash=code_hash,
    )


def check_thresholds(config: Config) -> None:
    """Lets thresholds through that are of something.

    Raises:
        DataRefused: One is of no feature that is compared.
    """
    compared = served_comparators()
    if unknown := sorted(set(config.drift.thresholds) - set(compared)):
        raise DataRefused(
            f"drift.thresholds must name features that are compared; received {', '.join(unknown)}. "
            f"There are {', '.join(compared)}."
        )


def _champion(settings: RegistrySettings) -> RegisteredVersion:
    from components.registry.opening import existing_registry  # MLflow takes a second to import.

    found = existing_registry(settings)
    champion = found.champion() if found else None
    if champion is None:
        raise no_champion(settings.model_name)
    return champion
