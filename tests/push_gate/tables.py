"""The table of a model against always guessing one class, for evidence that is made up."""

from components.intervals import Counts, PairedCounts


def guessing(right: Counts, majority_share: float) -> PairedCounts:
    """So many are right, of the most frequent class as often as of the others."""
    majority = round(right.total * majority_share)
    both = round(right.correct * majority / right.total)
    others = right.total - majority
    return PairedCounts(both, right.correct - both, majority - both, others - (right.correct - both))
