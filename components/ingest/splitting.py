"""Which side of the split a picture is on."""

import hashlib

from schemas import features

# Changing it moves pictures between the splits of every pipeline, so it never changes.
_SALT = b"frostgate/split/1"


def fraction_of(content_hash: str) -> float:
    """Maps a content hash to a number, uniform in [0, 1), the same on every machine."""
    digest = hashlib.sha256(_SALT + content_hash.encode()).digest()
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
