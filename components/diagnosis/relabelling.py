"""Would another order of the classes make the answers right?"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from components.diagnosis.evidence import Relabelling
from components.intervals import Counts


def best_relabelling(labels: np.ndarray, predicted: np.ndarray, num_classes: int, seed: int = 0) -> Relabelling:
    """Finds the one-to-one relabelling of predictions that gets most right, and scores it on other examples.

    Args:
        labels: int64 [n], 0..num_classes-1.
        predicted: int64 [n], the same; -1 where nothing was predicted, which is never right.
        num_classes: How many classes there are.
        seed: Of the halves.
    """
    half = np.random.default_rng(seed).permutation(len(labels)) % 2 == 0
    correct = 0
    # The order is fitted on one half and scored on the other, or chance alone would gain from it.
    for fitted, scored in ((half, ~half), (~half, half)):
        mapping = _fit(labels[fitted], predicted[fitted], num_classes)
        known = predicted[scored] >= 0
        correct += int((mapping[predicted[scored][known]] == labels[scored][known]).sum())
    return Relabelling(Counts(correct, len(labels)), tuple(_fit(labels, predicted, num_classes).tolist()))


def _fit(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    table = np.zeros((num_classes, num_classes))
    known = predicted >= 0
    np.add.at(table, (predicted[known], labels[known]), 1)
    # Of equally good orders, the one that leaves the classes where they are.
    table += 0.5 * np.eye(num_classes) / num_classes
    return linear_sum_assignment(table, maximize=True)[1]
