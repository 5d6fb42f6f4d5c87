"""How the classes of the splits and of the answers are distributed."""

import numpy as np
from scipy.stats import chi2_contingency

from components.diagnosis.evidence import LabelShift


def label_shift(train: np.ndarray, validation: np.ndarray, predicted: np.ndarray, num_classes: int) -> LabelShift:
    """Compares class shares.

    Args:
        train: int64 [n], labels of the training split.
        validation: int64 [m], labels of the validation split.
        predicted: int64 [m], what the model answered there; -1 where nothing.
        num_classes: How many classes there are.
    """
    ours, theirs = (np.bincount(labels, minlength=num_classes) for labels in (train, validation))
    table = np.stack([ours, theirs])[:, ours + theirs > 0]
    chosen = np.bincount(predicted[predicted >= 0], minlength=num_classes)
    return LabelShift(
        total_variation=float(np.abs(ours / ours.sum() - theirs / theirs.sum()).sum() / 2),
        p_value=float(chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0,
        top_share=float(chosen.max() / len(predicted)),
        top_class=int(chosen.argmax()) if chosen.any() else None,
    )
