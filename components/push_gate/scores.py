"""Scores of one split as arrays, and what the verdict and the card say of them; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.intervals import Counts
from components.parity import rounding_limit

_NUM_BINS = 10
_SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class SplitScores:
    """One row an example, [n] each."""

    labels: np.ndarray
    """int64, 0..classes-1."""
    predicted: np.ndarray
    """int64, 0..classes-1; -1 where a probability is not finite."""
    true_probability: np.ndarray
    """float64, of the labelled class."""
    top_probability: np.ndarray
    """float64, of the predicted class."""
    undecided: np.ndarray
    """bool: no clear top class."""

    @property
    def right(self) -> np.ndarray:
        """Whether each is right, bool [n]."""
        return self.labels == self.predicted

    @property
    def counts(self) -> Counts:
        """How many are right."""
        return Counts(int(self.right.sum()), len(self.labels))

    def of(self, positions: np.ndarray) -> "SplitScores":
        """Those of some examples, by position."""
        return SplitScores(*(column[positions] for column in vars(self).values()))

    @property
    def loss(self) -> float:
        """Mean cross-entropy; NaN when a probability is not finite."""
        return float(np.mean(-np.log(np.maximum(self.true_probability, _SMALLEST_PROBABILITY))))


def score(labels: np.ndarray, probabilities: np.ndarray, class_index: np.ndarray, rounding: float = 0.0) -> SplitScores:
    """Scores one batch.

    Args:
        labels: int64 [n].
        probabilities: float32 [n, classes].
        class_index: int64 [n], the classes that serving named.
        rounding: How far rounding is known to move a probability of this model; the logits' scale may say more.
    """
    whole = probabilities.astype(np.float64)
    rows = np.arange(len(labels))
    broken = ~np.isfinite(whole).all(axis=1)
    ordered = np.sort(whole, axis=1)
    second = ordered[:, -2] if whole.shape[1] > 1 else np.zeros(len(labels))
    # Where a batch is cut elsewhere, rounding may move one down and the other up.
    clear = 0.0 if broken.all() else 2 * max(rounding, rounding_limit(whole[~broken]))
    return SplitScores(
        labels=labels,
        predicted=np.where(broken, -1, class_index),
        true_probability=np.where(broken, np.nan, whole[rows, labels]),
        top_probability=np.where(broken, np.nan, whole[rows, class_index]),
        undecided=broken | ~(ordered[:, -1] - second > clear),
    )


def joined(parts: Iterable[SplitScores]) -> SplitScores:
    """Joins batches in order."""
    columns = [tuple(vars(part).values()) for part in parts]
    return SplitScores(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def predictions(probabilities: np.ndarray) -> np.ndarray:
    """Top classes, int64 [n], of probabilities [n, classes]; -1 where one is not finite."""
    finite = np.isfinite(probabilities).all(axis=1)
    return np.where(finite, np.argmax(probabilities, axis=1), -1)


def favourite(predicted: np.ndarray, num_classes: int) -> tuple[int | None, float]:
    """The class predicted most often and its share of all examples; None where nothing was predicted."""
    counts = np.bincount(predicted[predicted >= 0], minlength=num_classes)
    return (int(counts.argmax()), float(counts.max() / len(predicted))) if counts.any() else (None, 0.0)


def confusion(scores: SplitScores, num_classes: int) -> list[list[int]]:
    """Rows true, columns predicted; examples without a prediction are in no column."""
    table = np.zeros((num_classes, num_classes), dtype=np.int64)
    known = scores.predicted >= 0
    np.add.at(table, (scores.labels[known], scores.predicted[known]), 1)
    return table.tolist()


def per_class(scores: SplitScores, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Count, precision and recall of every class; None where nothing was predicted or labelled so."""
    result = []
    for index, name in enumerate(classes):
        labelled, chosen = scores.labels == index, scores.predicted == index
        hits = int((labelled & chosen).sum())
        count, num_chosen = int(labelled.sum()), int(chosen.sum())
        result.append(
            {
                "class": name,
                "count": count,
                "precision": hits / num_chosen if num_chosen else None,
                "recall": hits / count if count else None,
            }
        )
    return result


def reliability(scores: SplitScores) -> tuple[list[dict[str, Any]], float | None]:
    """Ten equal bins of the top probability, and the expected calibration error over them.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    edges = np.linspace(0.0, 1.0, _NUM_BINS + 1)
    known = scores.predicted >= 0
    top, right = scores.top_probability[known], scores.right[known]
    place = np.clip(np.ceil(top * _NUM_BINS).astype(np.int64) - 1, 0, _NUM_BINS - 1)
    bins, error = [], 0.0
    for index in range(_NUM_BINS):
        inside = place == index
        count = int(inside.sum())
        confidence, accuracy = (float(top[inside].mean()), float(right[inside].mean())) if count else (None, None)
        bins.append(
            {
                "low": float(edges[index]),
                "high": float(edges[index + 1]),
                "count": count,
                "confidence": confidence,
                "accuracy": accuracy,
            }
        )
        if confidence is not None and accuracy is not None:
            error += count / len(top) * abs(confidence - accuracy)
    return bins, error if len(top) else None
