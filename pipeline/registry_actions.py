"""What a person does to the registry: make a version the champion, take one back, answer for one."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.errors import DataRefused, without_credentials
from components.kserve import files
from components.kserve.manifest import manifest
from components.push_gate.fingerprint import directory_fingerprint
from components.pusher.versions import local_folder, push
from components.registry import champions, lease
from components.registry.opening import existing_registry
from components.registry.protocol import (
    APPROVED,
    SAVED_MODEL,
    SINCE,
    WITHDRAWN,
    ChampionMoved,
    ModelRegistry,
    RegisteredVersion,
)
from components.registry.publishing import make_champion
from pipeline.config import Config
from pipeline.kserve import served
from pipeline.resolve import effective_kserve, effective_registry, folders_of, push_destination


@dataclass(frozen=True)
class Author:
    """Who does something, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Change:
    """What came of an action; JSON-like."""

    action: str
    champion: str
    before: str | None
    served_version: str | None
    """The folder's number for a model server; None where nothing is served from here."""


def registry_of(config: Config) -> ModelRegistry:
    """Opens the registry of a configuration's runs to look at it.

    Raises:
        DataRefused: There is none yet.
    """
    settings = effective_registry(config, folders_of(config))
    found = existing_registry(settings)
    if found is None:
        raise DataRefused(
            f"There is no registry yet at {without_credentials(settings.uri)}; the first `frostgate run` makes it. "
            "Say which one: --set output=FOLDER --set name=NAME, or --set registry.uri=ADDRESS."
        )
    return found


def promote(config: Config, number: str, author: Author, serve: bool = True) -> Change:
    """Makes a version that passed, or that somebody answers for, the champion, and serves it.

    Args:
        config: Whose registry and push destination.
        number: The version.
        author: Is remembered.
        serve: Whether its files are pushed, too, as the newest version of the destination.

    Raises:
        DataRefused: There is no such version, it may not serve, or its files are not what was registered.
        ChampionMoved: Somebody else was faster.
    """
    registry = registry_of(config)
    version = registry.version(number)
    champions.may_serve(version)
    champion = registry.champion()
    return _changed(config, registry, "promote", champion, version, author, serve)


def rollback(config: Config, author: Author, serve: bool = True) -> Change:
    """Makes the champion before this one champion again; no run serves the one that was taken back.

    Args:
        config: Whose registry and push destination.
        author: Is remembered.
        serve: Whether the files are pushed, too.

    Raises:
        DataRefused: There is nothing to go back to, or its files are not what was registered.
        ChampionMoved: Somebody else was faster.
    """
    registry = registry_of(config)
    versions = registry.versions()
    champion = champions.champion_of(versions)
    version = champions.before(champion, versions)
    champions.may_serve(version)
    return _changed(config, registry, "rollback", champion, version, author, serve)


def approve(
    config: Config, number: str, author: Author, override_codes: Sequence[str] = (), serve: bool = True
) -> Change:
    """Serves a model that the gate held, or with every code named one that it blocked, on somebody's word.

    Args:
        config: Whose registry and push destination.
        number: The model's version.
        author: Answers for it.
        override_codes: The codes that blocked it.
        serve: Whether its files are pushed, too.

    Raises:
        DataRefused: The version needs no approval, a code is not named, or the champion is no longer the one that the
            model was compared with.
        ChampionMoved: Somebody else was faster.
    """
    registry = registry_of(config)
    version, champion = registry.version(number), registry.champion()
    champions.unapproved(version, override_codes)
    against = champions.judged_against(version.tags)
    if reason := champions.objection(version.fingerprint, version.weights, against, registry.versions()):
        raise DataRefused(f"Version {number} is not approved: {reason}")
    facts = {"codes": ",".join(override_codes)}
    return _changed(config, registry, "approve", champion, version, author, serve, {APPROVED: author.name}, facts)


def _changed(
    config: Config,
    registry: ModelRegistry,
    action: str,
    champion: RegisteredVersion | None,
    version: RegisteredVersion,
    author: Author,
    serve: bool,
    tags: Mapping[str, str] | None = None,
    facts: Mapping[str, str] | None = None,
) -> Change:
    now, before, number = datetime.now(UTC), champion.version if champion else None, None
    told = {"champion_before": before or champions.NONE} | dict(facts or {})
    # Said before the alias moves: whoever follows it finds who moved it.
    said = dict(tags or {}) | champions.audit(action, author.name, author.reason, now, **told)
    if serve:
        with _files(registry, version) as model_dir, _lease(config, version) as destination:
            # Whoever held the lease until now may have moved it.
            _must_still_be(registry, champion)
            number = push(model_dir, destination, directory_fingerprint(str(model_dir))).version
            registry.tag(version.version, said)
            _move(registry, action, champion, version, author, now)
            now_served = served(version, number, is_rollback=action == "rollback")
            files.write(Path(destination), manifest(effective_kserve(config), now_served))
    else:
        registry.tag(version.version, said)
        _move(registry, action, champion, version, author, now)
    return Change(action, version.version, before, str(number) if number else None)


def _move(
    registry: ModelRegistry,
    action: str,
    champion: RegisteredVersion | None,
    version: RegisteredVersion,
    author: Author,
    now: datetime,
) -> None:
    if action != "rollback" or champion is None:
        make_champion(registry, version.version, champion)
        return
    # First: a run that comes between must not serve it again.
    withdrawn = champions.audit("withdraw", author.name, author.reason, now, for_version=version.version)
    registry.tag(champion.version, {WITHDRAWN: author.name} | withdrawn)
    # Its predecessor stays, so that one can go back further.
    registry.tag(version.version, {SINCE: now.isoformat(timespec="seconds")})
    registry.move_alias(version.version, champion.version)


def _must_still_be(registry: ModelRegistry, champion: RegisteredVersion | None) -> None:
    found, expected = ((one.version if one else champions.NONE) for one in (registry.champion(), champion))
    if found != expected:
        raise ChampionMoved(
            f"The champion was {expected} when this command began and is {found} now; nothing was changed. "
            "Look at `frostgate registry list`, and run it again if it is still what you want."
        )


@contextmanager
def _files(registry: ModelRegistry, version: RegisteredVersion) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        registry.download(version, Path(folder))
        yield Path(folder) / SAVED_MODEL


@contextmanager
def _lease(config: Config, version: RegisteredVersion) -> Iterator[str]:
    """Keeps runs from pushing at the same time."""
    destination = push_destination(config)
    root = local_folder(destination)
    with lease.of_this_process(), lease.given_back(root, version.fingerprint):
        lease.take(root, version.fingerprint)
        yield destination
