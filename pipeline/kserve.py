"""The champion's manifest for KServe, from what the registry and the push destination say."""

from pathlib import Path

from components.errors import DataRefused
from components.kserve.manifest import InferenceService, Served, manifest
from components.pusher.versions import fingerprints_of
from components.registry import champions
from components.registry.protocol import DECISION, RegisteredVersion
from pipeline.config import Config
from pipeline.resolve import effective_kserve, push_destination


def champions_manifest(
    config: Config, champion: RegisteredVersion | None, canary_percent: int | None = None
) -> InferenceService:
    """Builds the manifest of a champion that was pushed before.

    Args:
        config: Whose push destination.
        champion: The registry's.
        canary_percent: In place of the configuration's, 0..100; None for that.

    Raises:
        DataRefused: There is no champion, or the push destination does not hold it.
    """
    if champion is None:
        raise DataRefused("There is no champion yet. `frostgate registry list` shows the versions there are.")
    number = _served_number(Path(push_destination(config)), champion)
    if canary_percent is None:
        return manifest(
            effective_kserve(config), served(champion, number, is_rollback=champions.is_brought_back(champion.tags))
        )
    settings = effective_kserve(config).model_copy(update={"canary_percent": canary_percent})
    return manifest(settings, served(champion, number, is_rollback=False))


def served(version: RegisteredVersion, number: int, is_rollback: bool) -> Served:
    """Says of a registered version what its manifest says.

    Args:
        version: The registry's.
        number: Of its folder in the push destination.
        is_rollback: Whether it was brought back in place of a champion that was taken back.
    """
    return Served(
        number=number,
        registered=version.version,
        fingerprint=version.fingerprint,
        run_key=version.run_key,
        decision=version.tags.get(DECISION, ""),
        is_rollback=is_rollback,
    )


def _served_number(root: Path, champion: RegisteredVersion) -> int:
    held = fingerprints_of(root) if root.is_dir() else {}
    numbers = [number for number, fingerprint in held.items() if fingerprint and fingerprint == champion.fingerprint]
    if not numbers:
        raise DataRefused(
            f"{root} must hold the champion, version {champion.version}; it does not. "
            f"`frostgate registry promote {champion.version}` pushes it there."
        )
    return max(numbers)
