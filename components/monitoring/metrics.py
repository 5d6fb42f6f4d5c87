"""A run's summary as Prometheus metrics; pure."""

import math
from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge

STATUSES: Final = ("pushed", "unchanged", "blocked", "held", "refused", "failed", "interrupted")
_DECISIONS: Final = ("PASS", "BLOCK", "HOLD")
_ACCURACIES: Final = ("A", "B", "C")


def metrics(summary: Mapping[str, Any], ended: float) -> CollectorRegistry:
    """Says everything that is known of a run, also of one that failed.

    Args:
        summary: `summary.json`.
        ended: Seconds since 1970.

    Returns:
        Gauges, each with the pipeline's name as the label `pipeline`; what was not measured is absent, never zero.
    """
    told = Told(summary["pipeline"])
    told.one("run_ended_timestamp_seconds", "When the last run ended.", ended)
    told.one("run_duration_seconds", "How long the last run took.", summary["seconds"])
    told.state("run_status", "How the last run ended.", "status", STATUSES, summary["status"])
    told.one("run_exit_code", "The last run's exit code.", summary["exit_code"])
    told.one("run_pushed", "Whether the last run serves a model now.", float(summary["served_version"] is not None))
    told.many(
        "node_duration_seconds",
        "How long each node of the last run took.",
        ("node", "status"),
        {(node["id"], node["status"]): node["seconds"] for node in summary["nodes"]},
    )
    told.many("newest_span", "The newest span that was read.", (), {(): max(summary["spans"], default=None)})
    if summary["verdict"]:
        _verdict(told, summary["verdict"])
    return told.registry


def success(summary: Mapping[str, Any], ended: float) -> CollectorRegistry:
    """Says when a run last went well, to be sent for one that did and for no other."""
    told = Told(summary["pipeline"])
    told.one("last_success_timestamp_seconds", "When a run last ended with exit code 0.", ended)
    if summary["status"] == "pushed":
        told.one("champion_since_timestamp_seconds", "When the served model was last confirmed or replaced.", ended)
    return told.registry


def _verdict(told: "Told", verdict: Mapping[str, Any]) -> None:
    told.state("verdict", "What the gate decided.", "decision", _DECISIONS, verdict["decision"])
    measured = verdict.get("measurements") or {}
    told.many(
        "accuracy",
        "Accuracy: A training images in training mode, B in inference mode, C validation images.",
        ("measure", "bound"),
        {(name, bound): value for name in _ACCURACIES for bound, value in _bounds(measured.get(name)).items()},
    )
    gaps = {check["name"]: check for check in verdict.get("checks") or () if check.get("interval")}
    told.many(
        "gap",
        "What each check of the gate compares, with the interval that decides.",
        ("check", "bound"),
        {(name, bound): value for name, check in gaps.items() for bound, value in _bounds(check).items()},
    )
    told.many(
        "check_fired",
        "Whether a check of the gate fired.",
        ("code", "check"),
        {(check["code"], check["name"]): float(check["fired"]) for check in verdict.get("checks") or ()},
    )
    causes = (verdict.get("diagnosis") or {}).get("causes") or ()
    told.many("cause", "Causes of a refusal.", ("cause",), {(cause["id"],): 1.0 for cause in causes})
    counts = verdict.get("counts") or {}
    told.many(
        "images",
        "Images of the last run.",
        ("part",),
        {(part,): counts.get(part) for part in ("train", "eval", "rejected")},
    )


def _bounds(measured: Mapping[str, Any] | None) -> dict[str, Any]:
    if not measured:
        return {}
    interval = measured.get("interval") or {}
    return {"value": measured.get("value"), "low": interval.get("low"), "high": interval.get("high")}


class Told:
    """Collects gauges of one pipeline; what is None or not finite is left out."""

    def __init__(self, pipeline: str) -> None:
        self.registry = CollectorRegistry()
        self._pipeline = pipeline

    def one(self, name: str, help_text: str, value: float) -> None:
        """Adds a gauge of one value."""
        self.many(name, help_text, (), {(): value})

    def state(self, name: str, help_text: str, label: str, states: tuple[str, ...], current: str) -> None:
        """Adds a gauge that is 1 for the current state and 0 for the others."""
        self.many(name, help_text, (label,), {(one,): float(one == current) for one in states})

    def many(
        self, name: str, help_text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float | None]
    ) -> None:
        """Adds a gauge with a value for each combination of its labels."""
        known = {key: value for key, value in values.items() if value is not None and math.isfinite(value)}
        if known:
            gauge = Gauge(f"frostgate_{name}", help_text, ("pipeline", *labels), registry=self.registry)
            for key, value in known.items():
                gauge.labels(self._pipeline, *key).set(value)
