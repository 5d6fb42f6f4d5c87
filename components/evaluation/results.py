"""Reads what the stock Evaluator wrote."""

from collections.abc import Mapping
from typing import Any, Final

import tensorflow_model_analysis as tfma

OVERALL: Final = ""


def read_metrics(evaluation_uri: str) -> dict[str, dict[str, float]]:
    """Reads the scalar metrics of every slice.

    Args:
        evaluation_uri: A ModelEvaluation artifact.

    Returns:
        Slice -> metric -> value. A slice is named `feature=value`, and the whole split `OVERALL`; a metric that is not
        a number is NaN.
    """
    result = tfma.load_eval_result(evaluation_uri)
    return {_slice_name(key): _scalars(outputs[""][""]) for key, outputs in result.slicing_metrics}


def read_slice_features(evaluation_uri: str) -> tuple[str, ...]:
    """Reads the raw features that an evaluation was sliced by, in order."""
    specs = tfma.load_eval_result(evaluation_uri).config.slicing_specs
    return tuple(key for spec in specs for key in spec.feature_keys)


def _slice_name(key: tuple[tuple[str, Any], ...]) -> str:
    return ",".join(f"{feature}={_text(value)}" for feature, value in key) if key else OVERALL


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _scalars(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    # TFMA's JSON spells NaN as a string, which float() reads.
    return {name: float(value["doubleValue"]) for name, value in metrics.items() if "doubleValue" in value}
