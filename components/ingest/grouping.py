"""What becomes of pictures that show the same thing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from components.ingest.items import Measured, Reject
from components.ingest.splitting import side_of, stops
from schemas import features

# Of the splits that a picture is in, the first of these keeps it.
_KEEPERS: Final = (features.EVAL, features.STOP, features.TRAIN)


@dataclass(frozen=True, slots=True)
class Settled:
    """The decision on all pictures of one content."""

    kept: tuple[tuple[Measured, str], ...]
    """Each picture with its split, "train", "stop" or "eval"."""
    rejects: tuple[Reject, ...]
    num_duplicates: int
    """How many of the kept ones show what another kept one shows."""


def settle(same: Sequence[Measured], eval_fraction: float, stop_fraction: float) -> Settled:
    """Decides on all pictures of one content at once, so that no picture is ever in two splits.

    Args:
        same: Pictures with equal content hashes, at least one, in any order.
        eval_fraction: Share of the validation side where the data give no splits.
        stop_fraction: Share of the training side that is kept apart to stop the training, given splits or not.

    Returns:
        Under one label all are kept, in one split. Under several labels none is: nobody can say which label is right.
        Where the data, or groups that share a picture, put it into several splits, the validation side keeps it.
    """
    labels = sorted({one.label for one in same})
    if len(labels) > 1:
        return Settled((), tuple(_conflict(one, labels) for one in same), 0)
    ordered = sorted(same, key=lambda one: (one.uri, one.container.key, one.position))
    splits = [_split_of(one, eval_fraction, stop_fraction) for one in ordered]
    keeper = next(split for split in _KEEPERS if split in splits)
    kept = tuple((one, split) for one, split in zip(ordered, splits, strict=True) if split == keeper)
    rejects = tuple(_leak(one, keeper) for one, split in zip(ordered, splits, strict=True) if split != keeper)
    return Settled(kept, rejects, len(kept) - 1)


def _split_of(one: Measured, eval_fraction: float, stop_fraction: float) -> str:
    side = one.split or side_of(one.group, eval_fraction)
    return features.STOP if side == features.TRAIN and stops(one.group, stop_fraction) else side


def _conflict(one: Measured, labels: Sequence[str]) -> Reject:
    others = ", ".join(repr(label) for label in labels if label != one.label)
    return Reject(one.uri, "conflicting_labels", f"labelled {one.label!r}; the same picture is also labelled {others}")


def _leak(one: Measured, keeper: str) -> Reject:
    place = "in the validation split" if keeper == features.EVAL else "among the images that say when to stop"
    return Reject(one.uri, f"also_in_{keeper}", f"the same picture is {place}")
