"""Which side of the split a picture is on."""

import hashlib

from schemas import features

# Changing one moves pictures between the splits of every pipeline, so they never change. Two salts make two draws that
# have nothing to do with each other.
_VALIDATION_SALT = b"frostgate/split/1"
_STOP_SALT = b"frostgate/stop/1"


def fraction_of(group: str, salt: bytes = _VALIDATION_SALT) -> float:
    """Maps a hash to a number, uniform in [0, 1), the same on every machine."""
    digest = hashlib.sha256(salt + group.encode()).digest()
    # 53 bits are what a float holds exactly; more could round up to 1.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def side_of(group: str, eval_fraction: float) -> str:
    """Gives the side of a picture, by its group or, where it has none, by nothing but its pixels.

    Args:
        group: Hex sha256 of its group or of its decoded pixels.
        eval_fraction: Expected share of pictures on the validation side, in (0, 1).

    Returns:
        "train" or "eval".
    """
    return features.EVAL if fraction_of(group) < eval_fraction else features.TRAIN


def stops(group: str, stop_fraction: float) -> bool:
    """Says whether a picture of the training side is kept apart to stop the training.

    Args:
        group: As for `side_of`.
        stop_fraction: Expected share of such pictures on the training side, in [0, 1).
    """
    return fraction_of(group, _STOP_SALT) < stop_fraction
