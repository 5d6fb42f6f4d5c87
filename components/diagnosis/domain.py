"""Can the splits be told apart by what the model makes of them?"""

import numpy as np
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from components.diagnosis.evidence import DomainShift
from components.intervals import Interval

_MOST_ROWS = 1_000
_FEWEST_ROWS = 20
_MOST_COMPONENTS = 32
_LEVEL = 0.95


def domain_auc(train: np.ndarray, validation: np.ndarray, seed: int = 0) -> DomainShift | None:
    """Measures how well a linear classifier tells validation from training embeddings, by cross-validation.

    Splits whose classes are distributed otherwise are told apart by that, too.

    Args:
        train: float32 [n, d].
        validation: float32 [m, d].
        seed: Of the sample and the folds.

    Returns:
        The AUC with Hanley and McNeil's interval; None with fewer than 20 rows in a split or a value not finite.

    Source: Hanley and McNeil 1982, Radiology 143:29-36.
    """
    if min(len(train), len(validation)) < _FEWEST_ROWS or not all(
        np.isfinite(part).all() for part in (train, validation)
    ):
        return None
    random = np.random.default_rng(seed)
    parts = [part[random.permutation(len(part))[:_MOST_ROWS]] for part in (train, validation)]
    side = np.repeat([0, 1], [len(part) for part in parts])
    rows = np.concatenate(parts)
    components = min(_MOST_COMPONENTS, rows.shape[1], len(rows) // 5)
    classifier = make_pipeline(
        StandardScaler(), PCA(components, random_state=seed), LogisticRegression(C=0.1, max_iter=1_000)
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    scores = cross_val_predict(classifier, rows, side, cv=folds, method="decision_function")
    auc = float(roc_auc_score(side, scores))
    return DomainShift(auc, _interval(auc, len(parts[0]), len(parts[1])))


def _interval(auc: float, num_train: int, num_validation: int) -> Interval:
    two_above, two_below = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc)
    variance += (num_validation - 1) * (two_above - auc**2) + (num_train - 1) * (two_below - auc**2)
    width = float(norm.ppf(_LEVEL)) * np.sqrt(max(variance, 0.0) / (num_train * num_validation))
    return Interval(max(0.0, auc - width), min(1.0, auc + width), _LEVEL, "Hanley-McNeil")
