"""The whole check: ask, compare, judge, and say it in a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.foreign import json_text
from components.serving_check.judging import Reference, findings, largest_difference
from components.serving_check.launch import ProbeRun, run_probe
from components.serving_check.reference import training_probabilities
from components.serving_check.requests import Request, plan
from components.serving_check.settings import ServingCheckSettings


def check(model_dir: Path, keras_path: Path, images: Sequence[bytes], settings: ServingCheckSettings) -> dict[str, Any]:
    """Tries an export in a fresh process.

    Args:
        model_dir: The SavedModel.
        keras_path: The trained Keras model it was made from.
        images: Encoded validation images; without any nothing can be checked, so the export fails.
        settings: Time limit, repetitions.

    Returns:
        The contents of serving.json.
    """
    if not images:
        return document(("there is no validation image to ask with",))
    requests = plan(images)
    run = run_probe(model_dir, requests, settings.num_timed_requests, settings.timeout_seconds)
    reference, trouble = (None, "") if run.failure else _reference(model_dir, keras_path, images)
    found = findings(run, requests, _classes(model_dir), reference)
    if trouble:
        found = (*found, f"the training graph could not be asked: {trouble}")
    return document(found, run, requests, largest_difference(run, requests, reference))


def document(
    found: Sequence[str],
    run: ProbeRun | None = None,
    requests: Sequence[Request] = (),
    max_difference: float | None = None,
) -> dict[str, Any]:
    """Builds serving.json.

    Args:
        found: Findings; any makes the export fail.
        run: What the fresh process said; None if it was not started.
        requests: What it was asked.
        max_difference: Largest difference of a probability that was seen.
    """
    run = run or ProbeRun()
    return {
        "passed": not found,
        "findings": list(found),
        "max_difference": max_difference,
        "latency_ms": {str(size): _quantiles(values) for size, values in run.milliseconds.items()},
        "requests": [_outcome(request.name, run.answers.get(request.name)) for request in requests],
    }


def _reference(model_dir: Path, keras_path: Path, images: Sequence[bytes]) -> tuple[Reference | None, str]:
    try:
        return training_probabilities(model_dir, keras_path, images), ""
    except ValueError as error:
        return None, str(error)


def _classes(model_dir: Path) -> list[str]:
    """The export's own class list; empty where it has none, which is a finding."""
    try:
        classes = json_text.read(model_dir / "assets.extra" / "frostgate.json")["classes"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in classes] if isinstance(classes, list) else []


def _quantiles(milliseconds: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.percentile(milliseconds, (50, 95))
    return {"p50": float(p50), "p95": float(p95)}


def _outcome(name: str, answer: Mapping[str, Any] | None) -> dict[str, str]:
    if answer is None:
        return {"name": name, "outcome": "no answer", "detail": ""}
    detail = ", ".join(answer["class_name"][:3]) if answer["outcome"] == "answered" else answer["detail"]
    return {"name": name, "outcome": answer["outcome"], "detail": detail}
