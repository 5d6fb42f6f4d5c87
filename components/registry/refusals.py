"""What every registry refuses, in the same words."""

from collections.abc import Sequence

from components.errors import DataRefused
from components.registry.protocol import ChampionMoved, RegisteredVersion


def no_version(number: str, model_name: str, address: str) -> DataRefused:
    """Words it that there is no such version."""
    return DataRefused(
        f"model {model_name} has no version {number} in the registry at {address}; "
        "it was deleted or the registry is another one."
    )


def must_be_registered(expected: str, version: RegisteredVersion, model_name: str, found: str, source: str) -> None:
    """Lets a version's files through that are what was registered; one registered by hand has nothing to compare with.

    Args:
        expected: Hex sha256 of what was registered; empty for one registered by hand.
        version: What was asked for.
        model_name: Of the registered model.
        found: Hex sha256 of the files that came.
        source: Where they came from.

    Raises:
        DataRefused: They are something else.
    """
    if expected not in ("", found):
        raise DataRefused(
            f"version {version.version} of {model_name} must hash to {expected}; its "
            f"files hash to {found}. Somebody changed {source}: point the alias at another version."
        )


def must_not_be_champion(versions: Sequence[RegisteredVersion], champion: str | None) -> None:
    """Lets versions through that may be removed.

    Raises:
        DataRefused: The champion is among them.
    """
    if any(version.version == champion for version in versions):
        raise DataRefused(f"Version {champion} is the champion and cannot be removed; promote another one first.")


def must_have_moved(number: str, model_name: str, expected: str | None, found: str | None) -> None:
    """Lets a move of the alias through that came out as it was meant.

    Args:
        number: The version that was to be the champion.
        model_name: Of the registered model.
        expected: The champion that it was to replace, None for none.
        found: The champion now, None for none.

    Raises:
        ChampionMoved: It is another one.
    """
    if found != number:
        raise ChampionMoved(
            f"version {number} of {model_name} was to replace {expected or 'no champion'}, but the "
            f"champion is {found or 'none'} now; run again to be compared with it."
        )
