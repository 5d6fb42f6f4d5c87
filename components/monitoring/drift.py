"""A look at the log of requests as Prometheus metrics; pure."""

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry

from components.monitoring.gauges import Gauges

STATUSES: Final = ("quiet", "drift", "undecided", "refused", "failed", "interrupted")


def parts(summary: Mapping[str, Any], ended: float) -> dict[str, CollectorRegistry]:
    """Says everything that is known of a look, also of one that failed.

    A look that could not tell leaves standing what the last one found that could.

    Args:
        summary: `summary.json` of a look.
        ended: Seconds since 1970.

    Returns:
        Part -> gauges, each with the watched pipeline's name as the label `pipeline`; what was not measured is absent.
        `monitoring` is of every look, `drift` of one that decided.
    """
    told = Gauges(summary["pipeline"])
    told.one("monitoring_ended_timestamp_seconds", "When the last look at the requests ended.", ended)
    told.state("monitoring_status", "What the last look came to.", "status", STATUSES, summary["status"])
    drift = summary["drift"]
    if drift is None:
        return {"monitoring": told.registry}
    told.one("monitoring_requests", "Requests in the window.", drift["log"]["num_requests"])
    if drift["status"] == "undecided":
        return {"monitoring": told.registry}
    return {"monitoring": told.registry, "drift": _drift(summary["pipeline"], drift)}


def _drift(pipeline: str, drift: Mapping[str, Any]) -> CollectorRegistry:
    told = Gauges(pipeline)
    compared = [one for one in drift["comparisons"] if one["distance"] is not None]
    told.many(
        "drift_distance",
        "How far a feature of the requests is from the reference, and its threshold.",
        ("feature", "bound"),
        {(one["feature"], "value"): one["distance"] for one in compared}
        | {(one["feature"], "threshold"): one["threshold"] for one in compared},
    )
    told.many(
        "drift_alert",
        "Whether a feature moved.",
        ("feature",),
        {(one["feature"],): float(one["feature"] in drift["drifted"]) for one in compared},
    )
    return told.registry
