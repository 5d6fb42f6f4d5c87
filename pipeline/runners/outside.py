"""What a run leaves outside its own folder, which no cache and no summary knows to be there still."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from components.pusher.versions import is_served
from components.registry.champions import champion_of
from components.registry.protocol import RegisteredVersion

# Never taken from a cache: they look at what is there, and do again what is missing.
NODES: Final = frozenset({"Pusher", "RegistryPush"})


def missing(version: RegisteredVersion | None, versions: Sequence[RegisteredVersion], destination: str) -> str | None:
    """Says what of a model that was pushed is no longer there.

    Args:
        version: The model's; None where the registry does not know it.
        versions: All of the registry's.
        destination: Where it was pushed.

    Returns:
        A sentence; None where all is there, or where a person made another version the champion.
    """
    champion = champion_of(versions)
    if version is None or champion is None:
        return f"The registry has lost {'the model that was pushed' if version is None else 'its champion'}."
    if version == champion and not is_served(Path(destination), version.fingerprint):
        return f"{destination} no longer serves version {version.version} as it was pushed."
    return None
