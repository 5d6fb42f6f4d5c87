"""Removing old runs, models and metadata by policy; what is kept is decided in `retention`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.pusher.versions import fingerprints_of
from components.registry.opening import existing_registry
from components.registry.protocol import RegisteredVersion
from pipeline import retention
from pipeline.config import Config
from pipeline.resolve import Folders, effective_registry, folders_of, push_destination
from pipeline.runners.lock import alone
from pipeline.runners.place import check_place
from pipeline.runners.pruning import forget_runs, recorded_runs, remove, size_of
from pipeline.runners.summaries import past_runs, run_ids_in
from pipeline.watching import monitoring_folders


@dataclass(frozen=True)
class Removal:
    """Something that goes; JSON-like."""

    kind: str
    name: str
    num_bytes: int


def prune(config: Config, dry_run: bool, tell: Callable[[Removal], None]) -> list[Removal]:
    """Removes what the retention settings do not keep.

    Rows go before the files that they name, and what a prune that was killed left is found by the next one.

    Args:
        config: Whose runs, versions and registry.
        dry_run: Whether everything stays.
        tell: Is told of each thing before it goes.

    Returns:
        Everything that went, or would go.

    Raises:
        AnotherRun: A run is going on.
        StoreUnusable: The metadata store is of another version, or was moved or copied here with its folder.
        DataRefused: The registry was.
        RegistryUnavailable: Nobody can say which model is the champion.
    """
    folders = folders_of(config)
    if not folders.root.is_dir():
        return []
    removals: list[Removal] = []
    with alone(folders.root):
        for removal, act in _steps(config, folders, dry_run):
            removals.append(removal)
            tell(removal)
            if not dry_run:
                act()
    return removals


def _steps(config: Config, folders: Folders, dry_run: bool) -> Iterator[tuple[Removal, Callable[[], object]]]:
    settings = config.retention
    # Before anything goes, the looks' store as well.
    for one in (folders, monitoring_folders(config)):
        check_place(one.metadata, one.artifacts)
    registry = existing_registry(effective_registry(config, folders))
    versions = registry.versions() if registry else []
    safe = retention.protected(versions)

    summaries = {summary.run_id: summary for summary in past_runs(folders.runs)}
    run_ids = {*recorded_runs(folders.metadata), *run_ids_in(folders.runs)}
    old_runs = retention.runs_to_remove(run_ids, summaries, settings.runs, safe)
    kept = sorted(run_ids.difference(old_runs))
    if registry:
        old_versions = retention.registered_to_remove(versions, settings.registered_versions)
        if old_versions:
            names = ", ".join(version.version for version in old_versions)
            yield Removal("registered versions", names, 0), lambda: registry.forget(old_versions)
    yield from _served(config, safe)
    # The store lets go of the artifacts before they are removed.
    for folder in forget_runs(folders.metadata, old_runs, folders.artifacts, dry_run):
        yield _folder("artifact", folder)
    for run_id in old_runs:
        yield _folder("run", folders.runs / run_id)
    if kept:
        yield from _unfinished_trainings(folders, kept[0])
    yield from _looks(config, dry_run)


def _looks(config: Config, dry_run: bool) -> Iterator[tuple[Removal, Callable[[], object]]]:
    """What old looks at the log of requests left; as many are kept as runs."""
    folders = monitoring_folders(config)
    if not folders.root.is_dir():
        return
    with alone(folders.root):
        names = {*recorded_runs(folders.metadata), *run_ids_in(folders.runs)}
        old = sorted(names)[: -config.retention.runs]
        for folder in forget_runs(folders.metadata, old, folders.artifacts, dry_run):
            yield _folder("artifact", folder)
        for name in old:
            yield _folder("look", folders.runs / name)


def _served(config: Config, safe: tuple[RegisteredVersion, ...]) -> Iterator[tuple[Removal, Callable[[], object]]]:
    root = Path(push_destination(config))
    if root.is_dir():
        served = fingerprints_of(root)
        for number in retention.served_to_remove(served, config.retention.served_versions, safe):
            yield _folder("served version", root / str(number))


def _unfinished_trainings(folders: Folders, oldest_run: str) -> Iterator[tuple[Removal, Callable[[], object]]]:
    """Features and checkpoints that no kept run has touched."""
    summary = folders.runs / oldest_run
    if summary.is_dir():
        since = summary.stat().st_mtime
        for folder in sorted(folders.trainings.glob("*")):
            newest = max((path.stat().st_mtime for path in (folder, *folder.rglob("*"))), default=0.0)
            if newest < since:
                yield _folder("unfinished training", folder)


def _folder(kind: str, path: Path) -> tuple[Removal, Callable[[], object]]:
    return Removal(kind, str(path), size_of(path)), lambda: remove(path)
