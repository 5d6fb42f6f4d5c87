"""Which side of the split a picture is on."""

import hashlib

from schemas import features

# Changing one moves pictures between the splits of every pipeline, so they never change. Two salts make two draws that
# have nothing to do with each other.
_VALIDATION_SALT = b"frostgate/split/1"
_STOP_SALT = b"frostgate/stop/1"


def fraction_of(content_hash: str, salt: bytes = _VALIDATION_SALT) -> float:
    """Maps a content hash to a number, uniform in [0, 1), the same on every machine."""
    digest = hashlib.sha256(salt + content_hash.encode()).digest()
    # 53 bits are what a float holds exactly; more could round up to 1.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def side_of(content_hash: str, eval_fraction: float) -> str:
    """Gives the split of a picture, by nothing but its pixels.

    Args:
        content_hash: Hex sha256 of the decoded pixels.
        eval_fraction: Expected share of pictures on the validation side, in (0, 1).

    Returns:
        "train" or "eval".
    """
    return features.EVAL if fraction_of(content_hash) < eval_fraction else features.TRAIN


def stops(content_hash: str, stop_fraction: float) -> bool:
    """Says whether a picture of the training side is kept apart to stop the training.

    Args:
        content_hash: Hex sha256 of the decoded pixels.
        stop_fraction: Expected share of such pictures on the training side, in [0, 1).
    """
    return fraction_of(content_hash, _STOP_SALT) < stop_fraction
