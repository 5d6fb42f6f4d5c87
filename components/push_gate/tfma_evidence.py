"""What the two Evaluator runs contribute to the rule; pure."""

import math
from collections.abc import Iterator, Mapping

from components.evaluation.config import ACCURACY, EXAMPLE_COUNT
from components.evaluation.results import OVERALL
from components.push_gate.evidence import SplitEvaluation

Metrics = Mapping[str, Mapping[str, float]]


def split_evaluation(metrics: Metrics) -> SplitEvaluation | None:
    """Condenses one split's metrics by slice; None when the split as a whole was not evaluated."""
    whole = metrics.get(OVERALL)
    if whole is None or EXAMPLE_COUNT not in whole:
        return None
    return SplitEvaluation(
        accuracy=whole.get(ACCURACY),
        num_examples=int(whole[EXAMPLE_COUNT]),
        slices=frozenset(name for name in metrics if name != OVERALL),
    )


def nonfinite_metrics(split: str, metrics: Metrics) -> Iterator[str]:
    """Names every metric that is not finite, once: of the whole split, or else of the first slice."""
    seen = set()
    for name in sorted(metrics):
        for metric, value in metrics[name].items():
            if not math.isfinite(value) and metric not in seen:
                seen.add(metric)
                yield f"TFMA's {metric} on {split}" + (f" ({name})" if name != OVERALL else "")
