"""Resolves a configuration into everything that a look at the log of requests needs before its first node runs."""

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
    """The monitoring pipeline's folders, beside the training pipeline's."""
    registry: RegistrySettings
    """The registry's settings with uri, names and experiment filled in."""
    champion: str
    """The registered version whose requests are looked at."""
    fingerprint: str
    """The fingerprint of the champion's model in the registry; empty where only the first node finds it out."""
    until: str
    """The window's last day, YYYY-MM-DD."""
    num_files: int
    """The number of log files in the window."""
    log_fingerprint: str
    """A hash of the window's files; it changes whenever one of them does."""
    code_hash: Callable[[str], str]
    """Takes a module's name and returns a hash of all our code that the module runs."""


def monitoring_folders(config: Config) -> Folders:
    """Returns the folders of the looks at a pipeline's log; creates none of them."""
    training = folders_of(config)
    return Folders(root=training.root / "monitoring", cache=training.cache)


def look_up(config: Config, until: str) -> Watch:
    """Finds the champion and the log files for a look at the log.

    Args:
        config: Names the registry, the log and the drift thresholds.
        until: The window's last day, YYYY-MM-DD; empty: today, UTC.

    Raises:
        DataRefused: There is no log or no champion, `until` is not a day, or a threshold names an unknown feature.
        RegistryUnavailable: The registry cannot be reached.
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
    """Checks that every drift threshold names a feature that is compared.

    Raises:
        DataRefused: A threshold names another feature.
    """
    compared = served_comparators()
    if unknown := sorted(set(config.drift.thresholds) - set(compared)):
        raise DataRefused(
            f"drift.thresholds must name features that are compared; received {', '.join(unknown)}. "
            f"There are {', '.join(compared)}."
        )


def _champion(settings: RegistrySettings) -> RegisteredVersion:
    from components.registry.opening import existing_registry  # MLflow takes a second to import.

    registry = existing_registry(settings)
    champion = registry.champion() if registry else None
    if champion is None:
        raise no_champion(settings.model_name)
    return champion
