"""What a validation split counts once its copies are known; pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from components.copies.search import Copies

# From this share on, a person decides. A limit, not an estimate: it is what copies could add to accuracy at most, and
# five points are the least that the rule takes for a difference anywhere; and a split that holds so many copies was not
# made by content, so that there will be others which no comparison finds.
MOST_COPIES: Final = 0.05


@dataclass(frozen=True)
class CopyCounts:
    """How many validation examples say something about unseen ones."""

    num_validation: int
    """All of them."""
    num_repeated: int
    """Those that show what an earlier one of the validation split shows."""
    num_seen: int
    """Of the others: those that the training split holds as well, under whatever label, or has the group of."""
    num_contradictory: int
    """Of what is left: those that are in the validation split under several labels."""
    num_other_label: int = 0
    """Of those seen: how many are labelled otherwise in training."""
    examples: tuple[tuple[str, str], ...] = ()
    """Names of some of what does not count, (validation, the picture that it copies)."""
    num_parted: int = 0
    """Of those seen: how many belong to a group that the training split has images of, whatever they show."""
    num_near: int = 0
    """Of those seen: how many are flipped, turned or moved copies, or frames of a film that training has frames of."""
    num_expected: int = 0
    """How many more near copies there must be among those that were not looked at, by those that were."""

    @property
    def num_distinct(self) -> int:
        """Validation examples of distinct content."""
        return self.num_validation - self.num_repeated

    @property
    def num_unusable(self) -> int:
        """Of distinct content, those that say nothing: seen, or under several labels."""
        return self.num_seen + self.num_contradictory

    @property
    def share(self) -> float:
        """Of distinct content, what says nothing, in [0, 1]; where near copies were sought in a sample, by that."""
        return (self.num_unusable + self.num_expected) / self.num_distinct if self.num_distinct else 0.0

    @property
    def are_many(self) -> bool:
        """Whether a person must decide."""
        return self.share >= MOST_COPIES


def what_counts(
    copies: Copies, labels: np.ndarray, training_labels: np.ndarray, parted: np.ndarray | None = None
) -> tuple[np.ndarray, CopyCounts]:
    """Decides which validation examples count: each content once, none that training holds, none under several labels.

    A copy of a training picture is left out whatever its label is: it was seen. So is another picture of a patient, a
    film or a burst that training has pictures of. Of one picture under two validation
    labels nobody can say which is right, as in ingest.

    Args:
        copies: Of m validation examples.
        labels: int64 [m].
        training_labels: int64 [n], of the examples that `copies.seen` points at.
        parted: bool [m], whether training has examples of the same group; None where nothing is known of groups.

    Returns:
        Positions that count, int64, in order; where that would be none, those of distinct content. And the counts,
        without names.
    """
    content = _contents(copies)
    positions = np.arange(len(content))
    apart = np.zeros(len(content), dtype=bool) if parted is None else parted
    is_seen = _any_of_content(content, (copies.seen >= 0) | apart)
    contradicts = _any_of_content(content, labels != labels[content])
    first = content == positions
    relabelled = (copies.seen >= 0) & (training_labels[copies.seen] != labels)
    counts = CopyCounts(
        num_validation=len(labels),
        num_repeated=int((~first).sum()),
        num_seen=int((first & is_seen).sum()),
        num_contradictory=int((first & ~is_seen & contradicts).sum()),
        num_other_label=int((first & _any_of_content(content, relabelled)).sum()),
        num_parted=int((first & _any_of_content(content, apart)).sum()),
        num_near=0 if copies.near is None else int((first & _any_of_content(content, copies.near)).sum()),
        num_expected=_num_expected(copies, first & ~is_seen & ~contradicts),
    )
    unseen = np.flatnonzero(first & ~is_seen & ~contradicts)
    return (unseen if len(unseen) else np.flatnonzero(first)), counts


def _num_expected(copies: Copies, counts: np.ndarray) -> int:
    """How many of those that would count must be near copies, if those not looked at are as those that were."""
    if copies.near is None or copies.examined is None or not copies.examined.any():
        return 0
    share = copies.near.sum() / copies.examined.sum()
    return round(float(share * (counts & ~copies.examined).sum()))


def _contents(copies: Copies) -> np.ndarray:
    """Of each example the first one with its content, int64 [m]."""
    content = np.arange(len(copies.earlier))
    # Two copies of one training picture show the same, although each may be changed elsewhere.
    of_training: dict[int, int] = {}
    for position, (seen, earlier) in enumerate(zip(copies.seen.tolist(), copies.earlier.tolist(), strict=True)):
        if earlier >= 0:
            content[position] = content[earlier]
        elif seen in of_training:
            content[position] = of_training[seen]
        if seen >= 0:
            of_training.setdefault(seen, int(content[position]))
    return content


def _any_of_content(content: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Whether any example with the same content has the flag, bool [m]."""
    marked = np.zeros(len(content), dtype=bool)
    marked[content[flags]] = True
    return marked[content]
