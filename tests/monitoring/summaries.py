"""What runs leave behind, as far as it is told to Prometheus."""

from typing import Any

INTERVAL = {"low": 0.8, "high": 0.95, "level": 0.95, "method": "Newcombe"}
BLOCKED: dict[str, Any] = {
    "pipeline": "digits",
    "status": "blocked",
    "exit_code": 3,
    "seconds": 12.5,
    "served_version": None,
    "spans": [3, 4],
    "nodes": [{"id": "Trainer", "status": "done", "seconds": 7.0}, {"id": "Card", "status": "cached", "seconds": 0.1}],
    "verdict": {
        "decision": "BLOCK",
        "measurements": {
            "A": {"value": 0.9, "interval": INTERVAL},
            "B": None,
            "C": {"value": 0.1, "interval": INTERVAL},
        },
        "checks": [
            {"code": "G1", "name": "mode gap", "fired": True, "value": 0.76, "interval": INTERVAL, "threshold": 0.05},
            {"code": "G0", "name": "parity", "fired": False, "value": float("nan"), "interval": None},
        ],
        "diagnosis": {"causes": [{"id": "batch_norm_mode", "title": "BatchNorm in the wrong mode"}]},
    },
    "data": {
        "passed": True,
        "images": {"train": 600, "eval": 297, "rejected": 3, "duplicates": 0},
        "reject_share": {"value": 1 / 300, "interval": INTERVAL},
        "rejected_by_reason": {"corrupt": 2, "not_an_image": 1},
        "anomalies": {"train": {"label": 2}, "eval": {}},
        "distances": [{"feature": "width", "value": 0.02, "threshold": 0.1}],
    },
}
FAILED = BLOCKED | {"status": "failed", "exit_code": 1, "verdict": None, "data": None, "nodes": [], "spans": []}
PUSHED = BLOCKED | {"status": "pushed", "exit_code": 0, "served_version": "7"}
PASSED = {**BLOCKED["verdict"], "decision": "PASS", "diagnosis": None}
