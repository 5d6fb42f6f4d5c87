"""A run's summary as Prometheus metrics; pure."""

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry

from components.monitoring.gauges import Gauges

STATUSES: Final = ("pushed", "unchanged", "blocked", "held", "refused", "failed", "interrupted")
_DECISIONS: Final = ("PASS", "BLOCK", "HOLD")
_ACCURACIES: Final = ("A", "B", "C")


def parts(summary: Mapping[str, Any], ended: float) -> dict[str, CollectorRegistry]:
    """Says everything that is known of a run, also of one that failed.

    Each part is replaced as a whole, so that a cause of last month is gone with the next verdict, and stays through
    runs that have nothing to say about it.

    Args:
        summary: `summary.json`.
        ended: Seconds since 1970.

    Returns:
        Part -> gauges, each with the pipeline's name as the label `pipeline`. `run` is of every run; `data` of one
        whose data gate decided, `verdict` of one whose model was judged, `success` of one that ended with exit code 0,
        `champion` of one that pushed.
    """
    made = {"run": _run(summary, ended)}
    if summary["data"]:
        made["data"] = data_part(summary["pipeline"], summary["data"])
    if summary["verdict"]:
        made["verdict"] = _verdict(summary["pipeline"], summary["verdict"], ended)
    if summary["exit_code"] == 0:
        made["success"] = _success(summary["pipeline"], ended)
    if summary["status"] == "pushed":
        made["champion"] = _champion(summary, ended)
    return made


def broken_off(pipeline: str, status: str, exit_code: int, ended: float) -> dict[str, CollectorRegistry]:
    """Says of a run that it failed or was interrupted, for somebody who knows no more.

    Returns:
        As `parts`: the part `run` alone.
    """
    told = Gauges(pipeline)
    _ending(told, status, exit_code, False, ended)
    return {"run": told.registry}


def _run(summary: Mapping[str, Any], ended: float) -> CollectorRegistry:
    told = Gauges(summary["pipeline"])
    _ending(told, summary["status"], summary["exit_code"], summary["served_version"] is not None, ended)
    told.one("run_duration_seconds", "How long the last run took.", summary["seconds"])
    told.many(
        "node_duration_seconds",
        "How long each node of the last run took.",
        ("node", "status"),
        {(node["id"], node["status"]): node["seconds"] for node in summary["nodes"]},
    )
    told.one("newest_span", "The newest span that was read.", max(summary["spans"], default=None))
    return told.registry


def _ending(told: Gauges, status: str, exit_code: int, pushed: bool, ended: float) -> None:
    told.one("run_ended_timestamp_seconds", "When the last run ended.", ended)
    told.state("run_status", "How the last run ended.", "status", STATUSES, status)
    told.one("run_exit_code", "The last run's exit code.", exit_code)
    told.one("run_pushed", "Whether the last run serves a model now.", float(pushed))


def _success(pipeline: str, ended: float) -> CollectorRegistry:
    told = Gauges(pipeline)
    told.one("last_success_timestamp_seconds", "When a run last ended with exit code 0.", ended)
    return told.registry


def _champion(summary: Mapping[str, Any], ended: float) -> CollectorRegistry:
    told = Gauges(summary["pipeline"])
    told.one("champion_since_timestamp_seconds", "When the served model was last confirmed or replaced.", ended)
    told.one("champion_version", "The served version's number.", float(summary["served_version"]))
    return told.registry


def data_part(pipeline: str, data: Mapping[str, Any]) -> CollectorRegistry:
    """Says what the data gate decided and counted.

    Args:
        pipeline: Its name.
        data: `decision.json`.
    """
    told = Gauges(pipeline)
    told.one("data_passed", "Whether the last data that were looked at may be trained on.", float(data["passed"]))
    told.many(
        "images",
        "Images of the last run, by what became of them.",
        ("part",),
        {(part,): number for part, number in data["images"].items()},
    )
    told.many(
        "reject_share",
        "Share of the images that were read and rejected.",
        ("bound",),
        {(bound,): value for bound, value in _bounds(data["reject_share"]).items()},
    )
    told.many(
        "rejected_images",
        "Rejected images by reason.",
        ("reason",),
        {(reason,): number for reason, number in data["rejected_by_reason"].items()},
    )
    told.many(
        "anomalies",
        "What TFDV found against the schema.",
        ("split", "feature"),
        {(split, name): number for split, found in data["anomalies"].items() for name, number in found.items()},
    )
    told.many(
        "split_distance",
        "How far the validation split lies from the training split, a feature each.",
        ("feature", "bound"),
        {(one["feature"], bound): one[bound] for one in data["distances"] for bound in ("value", "threshold")},
    )
    return told.registry


def _verdict(pipeline: str, verdict: Mapping[str, Any], ended: float) -> CollectorRegistry:
    told = Gauges(pipeline)
    told.one("verdict_timestamp_seconds", "When the last verdict was made.", ended)
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
        "What each check of the gate compares, with the interval that decides, and its threshold.",
        ("check", "bound"),
        {
            (name, bound): value
            for name, check in gaps.items()
            for bound, value in (_bounds(check) | {"threshold": check.get("threshold")}).items()
        },
    )
    told.many(
        "check_fired",
        "Whether a check of the gate fired.",
        ("code", "check"),
        {(check["code"], check["name"]): float(check["fired"]) for check in verdict.get("checks") or ()},
    )
    causes = (verdict.get("diagnosis") or {}).get("causes") or ()
    told.many("cause", "Causes of a refusal.", ("cause",), {(cause["id"],): 1.0 for cause in causes})
    return told.registry


def _bounds(measured: Mapping[str, Any] | None) -> dict[str, Any]:
    if not measured:
        return {}
    interval = measured.get("interval") or {}
    return {"value": measured.get("value"), "low": interval.get("low"), "high": interval.get("high")}
