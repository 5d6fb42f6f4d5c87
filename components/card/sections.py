"""Verdict and evidence as rows for the template; pure, and tolerant of every part that is missing."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from components.card.facts import RunFacts
from components.card.formats import finite, png_uri
from components.card.plots import MEASUREMENTS

_MAX_WORST = 12
_MAX_CONFUSIONS = 10
_MAX_REJECT_EXAMPLES = 20
_SPLITS = ("train", "eval")


def measurement_rows(measurements: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A, B and C in order; `measured` is None for one that was not taken."""
    return [{"name": name, "what": what, "measured": measurements.get(name)} for name, what in MEASUREMENTS.items()]


def chance_threshold(checks: Sequence[Mapping[str, Any]]) -> Any:
    """What C's lower bound must exceed, as G2 was judged; None when it was not."""
    return next((check.get("threshold") for check in checks if check.get("code") == "G2"), None)


def check_rows(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The checks in the gate's order, each with its state and what its gauge needs."""
    keys = ("code", "name", "statistic", "value", "interval", "threshold", "detail")
    return [{key: check.get(key) for key in keys} | {"state": _state(check), "gauge": gauge(check)} for check in checks]


def _state(check: Mapping[str, Any]) -> str:
    if check.get("fired"):
        return "fired"
    # G0's yes-or-no checks have neither value nor threshold; any other without a value lacked its evidence.
    examined = check.get("value") is not None or (check.get("code") == "G0" and check.get("threshold") is None)
    return "quiet" if examined else "not examined"


def gauge(check: Mapping[str, Any]) -> dict[str, float] | None:
    """Places a check's interval, value and threshold on a line.

    Returns:
        Positions in percent, or None where one of the four is missing or not finite.
    """
    interval = check.get("interval") or {}
    given = {"low": interval.get("low"), "high": interval.get("high")}
    given |= {key: check.get(key) for key in ("value", "threshold")}
    known = {key: number for key, value in given.items() if (number := finite(value)) is not None}
    if len(known) < len(given):
        return None
    # Zero belongs to the picture: a gap is read against none.
    start, end = min(0.0, *known.values()), max(0.0, *known.values())
    width = (end - start) or 1.0
    return {key: round(4 + 92 * (value - start) / width, 2) for key, value in (known | {"zero": 0.0}).items()}


def confusion_rows(matrix: Sequence[Sequence[int]] | None, classes: Sequence[Any]) -> list[dict[str, Any]]:
    """The most frequent mistakes, the worst first."""
    mistakes = [
        {"true": _label(classes, row), "predicted": _label(classes, column), "count": count, "share": count / sum(line)}
        for row, line in enumerate(matrix or [])
        for column, count in enumerate(line)
        if row != column and count > 0
    ]
    return sorted(mistakes, key=lambda mistake: -mistake["count"])[:_MAX_CONFUSIONS]


def _label(classes: Sequence[Any], index: int) -> Any:
    return classes[index] if index < len(classes) else index


def class_rows(per_class: Sequence[Mapping[str, Any]] | None, ingest: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Each class with its counts, the one with the lowest recall first."""
    trained = ((ingest or {}).get("by_class") or {}).get("train") or {}
    rows = [
        {key: one.get(key) for key in ("class", "count", "precision", "recall")}
        | {"train": trained.get(str(one.get("class")))}
        for one in per_class or []
    ]
    # A class without a recall has no validation image: that is for the end of the list.
    return sorted(rows, key=lambda row: 2.0 if (recall := finite(row["recall"])) is None else recall)


def bin_rows(reliability: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The reliability bins that have an image."""
    keys = ("low", "high", "count", "confidence", "accuracy")
    return [{key: one.get(key) for key in keys} for one in reliability.get("eval") or [] if one.get("count")]


def worst_rows(worst: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """The worst-scored images; `thumbnail` is None unless it is an embedded PNG."""
    keys = ("uri", "label", "predicted", "probability")
    return [
        {key: one.get(key) for key in keys} | {"thumbnail": png_uri(one.get("thumbnail"))}
        for one in (worst or [])[:_MAX_WORST]
    ]


def phase_rows(history: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The history's phases that ran an epoch."""
    return [phase for phase in (history or {}).get("phases") or [] if phase.get("epochs")]


def ingest_view(ingest: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Counts, rejects by reason (most first) and the first examples; None without a report."""
    if not ingest:
        return None
    keys = ("uri", "fingerprint", "num_read", "num_kept", "num_rejected", "num_duplicates")
    reasons = ingest.get("rejected_by_reason") or {}
    return {key: ingest.get(key) for key in keys} | {
        "by_split": ingest.get("by_split") or {},
        "num_classes": len(ingest.get("classes") or []),
        "reasons": sorted(reasons.items(), key=lambda item: -item[1]),
        "examples": [
            {key: one.get(key) for key in ("uri", "reason", "detail")}
            for one in (ingest.get("reject_examples") or [])[:_MAX_REJECT_EXAMPLES]
        ],
    }


def freeze_view(proof: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The freeze proof with every part named; None without one."""
    if not proof:
        return None
    keys = (
        "passed", "expected_trainable_weights", "trainable_weights", "num_frozen_weights", "num_batch_norm_layers",
        "frozen_before", "frozen_after", "mode_difference",
    )  # fmt: skip
    return {key: proof.get(key) for key in keys} | {"findings": list(proof.get("findings") or [])}


def serving_view(serving: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The serving check's report; None without one."""
    if not serving:
        return None
    latency = serving.get("latency_ms") or {}
    return {
        "passed": serving.get("passed"),
        "findings": list(serving.get("findings") or []),
        "max_difference": serving.get("max_difference"),
        "latency": [(batch, (one or {}).get("p50"), (one or {}).get("p95")) for batch, one in latency.items()],
        "requests": [
            {key: one.get(key) for key in ("name", "outcome", "detail")} for one in serving.get("requests") or []
        ],
    }


def metric_rows(tfma: Mapping[str, Any] | None) -> list[tuple[str, Any, Any]]:
    """TFMA's metrics as (name, train, eval), by name."""
    by_split = {split: (tfma or {}).get(split) or {} for split in _SPLITS}
    names = sorted(set(chain.from_iterable(by_split.values())))
    return [(name, by_split["train"].get(name), by_split["eval"].get(name)) for name in names]


def slice_table(slices: Sequence[Mapping[str, Any]] | None) -> dict[str, Any] | None:
    """The gate's slices, a column a key; None when there are none."""
    if not slices:
        return None
    columns = list(dict.fromkeys(chain.from_iterable(slices)))
    return {"columns": columns, "rows": [[one.get(column) for column in columns] for one in slices]}


def node_rows(run: RunFacts) -> list[dict[str, Any]]:
    """Each node with its share of the slowest one's time, in percent."""
    longest = max((finite(node.seconds) or 0.0 for node in run.nodes), default=0.0) or 1.0
    return [dataclasses.asdict(one) | {"width": 100 * (finite(one.seconds) or 0.0) / longest} for one in run.nodes]


def diagnosis_view(diagnosis: Mapping[str, Any] | None, copies: Sequence[Mapping[str, Any]] | None) -> Any:
    """The diagnosis with every part named; None while there is none."""
    if not diagnosis:
        return None
    keys = ("title", "id", "confidence", "evidence", "explains", "fix")
    return {
        "sentence": diagnosis.get("sentence"),
        "causes": [{key: one.get(key) for key in keys} for one in diagnosis.get("causes") or []],
        "ruled_out": [(one.get("id"), one.get("by")) for one in diagnosis.get("ruled_out") or []],
        "unexamined": [(one.get("id"), one.get("why")) for one in diagnosis.get("unexamined") or []],
        "copies": [[_picture(pair.get(split)) for split in ("validation", "train")] for pair in copies or []],
    }


def _picture(one: Mapping[str, Any] | None) -> dict[str, Any]:
    known = one or {}
    return {key: known.get(key) for key in ("uri", "label")} | {"thumbnail": png_uri(known.get("thumbnail"))}
