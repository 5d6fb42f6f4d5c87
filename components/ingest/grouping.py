"""What becomes of pictures that show the same thing."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.ingest.items import Measured, Reject
from components.ingest.splitting import side_of, stops
from schemas import features


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
        Under one label all are kept, on one side. Under several labels none is: nobody can say which label is right.
        Where the data put a picture on both sides, the validation side keeps it.
    """
    labels = sorted({one.label for one in same})
    if len(labels) > 1:
        return Settled((), tuple(_conflict(one, labels) for one in same), 0)
    sides = {one.split or side_of(one.content_hash, eval_fraction) for one in same}
    kept_side = features.EVAL if features.EVAL in sides else features.TRAIN
    ordered = sorted(same, key=lambda one: (one.uri, one.container.key, one.position))
    is_apart = kept_side == features.TRAIN and stops(same[0].content_hash, stop_fraction)
    split = features.STOP if is_apart else kept_side
    kept = tuple((one, split) for one in ordered if one.split in (None, kept_side))
    rejects = tuple(_leak(one) for one in ordered if one.split not in (None, kept_side))
    return Settled(kept, rejects, len(kept) - 1)


def _conflict(one: Measured, labels: Sequence[str]) -> Reject:
    others = ", ".join(repr(label) for label in labels if label != one.label)
    return Reject(one.uri, "conflicting_labels", f"labelled {one.label!r}; the same picture is also labelled {others}")


def _leak(one: Measured) -> Reject:
    return Reject(one.uri, "also_in_eval", "the same picture is in the validation split")
