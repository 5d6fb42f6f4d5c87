"""A run as the gate and the runner would describe it: ten digits, a healthy model unless a test says otherwise."""

import base64
import hashlib
import io
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from components.card.facts import NodeFacts, RunFacts

CLASSES = [str(digit) for digit in range(10)]


def interval(correct: int, total: int) -> dict[str, Any]:
    share, half = correct / total, 1.96 * math.sqrt(0.25 / total) / 2
    return {"low": max(0.0, share - half), "high": min(1.0, share + half), "level": 0.95, "method": "wilson"}


def measured(correct: int, total: int) -> dict[str, Any]:
    return {"correct": correct, "total": total, "value": correct / total, "interval": interval(correct, total)}


def check(
    code: str, name: str, fired: bool, statistic: str, detail: str, value: float | None = None, **more: Any
) -> dict:
    return {
        "code": code,
        "name": name,
        "fired": fired,
        "statistic": statistic,
        "detail": detail,
        "value": value,
        "interval": more.get("interval"),
        "threshold": more.get("threshold"),
    }


def gap(low: float, high: float) -> dict[str, Any]:
    return {"low": low, "high": high, "level": 0.95, "method": "newcombe"}


def healthy_checks() -> list[dict]:
    return [
        check("G0", "data decision", False, "data decision", "the data gate passed the data."),
        check("G0", "frozen weights", False, "freeze proof", "frozen weights are as they were."),
        check("G0", "coverage", False, "splits and slices", "everything was evaluated."),
        check("G0", "finite", False, "non-finite numbers", "every number is finite."),
        check(
            "G0",
            "parity",
            False,
            "max |served - trained|",
            "served probabilities are 2.4e-07 off.",
            2.4e-7,
            threshold=1e-5,
        ),
        check(
            "G1",
            "mode gap",
            False,
            "A - B",
            "99.8 % of training images are right in both modes.",
            0.0,
            interval=gap(-0.003, 0.003),
            threshold=0.05,
        ),
        check(
            "G2",
            "chance",
            False,
            "C",
            "97.9 % of 424 validation images are right.",
            0.979,
            interval=gap(0.961, 0.989),
            threshold=0.163,
        ),
        check(
            "G3",
            "generalisation",
            False,
            "max(A, B) - C",
            "a gap between 0.8 % and 3.6 %; 10.0 % is accepted.",
            0.019,
            interval=gap(0.008, 0.036),
            threshold=0.1,
        ),
        check(
            "G3",
            "generalisation by slice",
            False,
            "smallest adjusted p",
            "none of 10 slices is surely worse.",
            1.0,
            threshold=0.05,
        ),
        check(
            "G4",
            "baseline",
            False,
            "champion - candidate",
            "the champion (version 3) gets 97.2 % right.",
            -0.007,
            interval=gap(-0.021, 0.005),
            threshold=0.02,
        ),
        check(
            "G5",
            "degenerate",
            False,
            "top share",
            "10.8 % of validation images are predicted to be '3'.",
            0.108,
            threshold=0.9,
        ),
        check(
            "HOLD",
            "uncertain gap",
            False,
            "max(A, B) - C",
            "the gap may be as large as 3.6 %.",
            0.019,
            interval=gap(0.008, 0.036),
            threshold=0.2,
        ),
        check(
            "HOLD",
            "few examples",
            False,
            "validation images",
            "there are 424 validation images, and 200 are needed.",
            424,
            threshold=200,
        ),
        check("HOLD", "not examined", False, "missing measurements", "everything was examined.", 0.0),
    ]


def make_slice(digit: str) -> dict[str, Any]:
    return {
        "name": f"label={digit}",
        "train": {"correct": 137, "total": 137, "value": 1.0},
        "eval": {"correct": 41, "total": 42, "value": 41 / 42},
        "gap": 1 / 42,
        "interval": gap(-0.01, 0.1),
        "adjusted_p": 1.0,
        "judged": True,
        "fired": False,
    }


def make_verdict() -> dict[str, Any]:
    return {
        "schema_version": 1,
        "decision": "PASS",
        "codes": [],
        "diagnosis": None,
        "seed": 20,
        "sentence": "Passed: 97.9 % of 424 validation images and 99.8 % of 1373 training images are right, "
        "and no check fired.",
        "checks": healthy_checks(),
        "measurements": {
            "A": measured(1370, 1373),
            "B": measured(1370, 1373),
            "C": measured(415, 424),
            "majority_share": 0.113,
            "top_share": 0.108,
            "top_class": "3",
            "parity_difference": 2.4e-7,
            "loss": {"train": 0.0123, "eval": 0.0871},
        },
        "baseline": {"version": "3", "accuracy": 0.972, "total": 424},
        "slices": [make_slice(digit) for digit in CLASSES],
        "thresholds": {
            "max_mode_gap": 0.05,
            "min_margin_over_chance": 0.05,
            "max_generalisation_gap": 0.1,
            "min_eval_examples": 200,
        },
        "counts": {"train": 1373, "eval": 424, "rejected": 7},
        "fingerprints": {
            name: hashlib.sha256(name.encode()).hexdigest()
            for name in ("model", "weights", "data", "backbone", "config")
        },
        "versions": {"tfx": "1.16.0", "tensorflow": "2.16.2", "keras": "3.15.1", "python": "3.11.7"},
    }


def make_confusion(total: int, mistakes: int, num_classes: int = 10) -> list[list[int]]:
    random = np.random.default_rng(total)
    matrix = np.diag(np.full(num_classes, total // num_classes))
    for _ in range(mistakes):
        row, column = random.integers(0, num_classes, 2)
        matrix[row, row] -= 1
        matrix[row, column] += 1
    return matrix.tolist()


def thumbnail(digit: int) -> str:
    image = Image.fromarray((load_digits().images[digit] * 15.9).astype(np.uint8)).resize(
        (64, 64), Image.Resampling.NEAREST
    )
    written = io.BytesIO()
    image.save(written, "PNG")
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()


def make_phase(name: str, epochs: int, start: float) -> dict[str, Any]:
    rows = []
    for epoch in range(epochs):
        left = (1 - start) * math.exp(-epoch / 3)
        rows.append(
            {
                "epoch": epoch,
                "loss": 0.05 + 2.1 * left,
                "accuracy": 0.98 - 0.9 * left,
                "train_loss": 0.02 + 2.0 * left,
                "train_accuracy": 0.998 - 0.9 * left,
                "stop_loss": 0.09 + 2.0 * left,
                "stop_accuracy": 0.979 - 0.9 * left,
                "seconds": 1.2,
            }
        )
    return {"name": name, "epochs": rows, "best_epoch": epochs - 2}


def make_evidence() -> dict[str, Any]:
    bins = [
        {
            "low": index / 10,
            "high": (index + 1) / 10,
            "count": count,
            "confidence": index / 10 + 0.06,
            "accuracy": accuracy,
        }
        for index, (count, accuracy) in enumerate(
            [
                (0, None),
                (0, None),
                (2, 0.5),
                (3, 0.33),
                (5, 0.4),
                (6, 0.67),
                (9, 0.55),
                (14, 0.79),
                (35, 0.91),
                (350, 0.997),
            ]
        )
    ]
    return {
        "classes": CLASSES,
        "confusion": {"train": make_confusion(1370, 3), "eval": make_confusion(420, 10)},
        "reliability": {"eval": bins, "expected_calibration_error": 0.0142},
        "worst": [
            {
                "uri": f"digits/{digit}/{digit:04d}.png",
                "label": str(digit),
                "predicted": str((digit * 7 + 3) % 10),
                "probability": 0.004 * digit,
                "thumbnail": thumbnail(digit),
            }
            for digit in range(10)
        ],
        "history": {
            "phases": [make_phase("head", 12, 0.1), make_phase("fine_tune", 6, 0.9)],
            "num_updates": 774,
            "momentum_lint": None,
        },
        "freeze_proof": {
            "passed": True,
            "findings": [],
            "expected_trainable_weights": 2,
            "trainable_weights": 2,
            "num_frozen_weights": 318,
            "num_batch_norm_layers": 53,
            "frozen_before": "ab" * 32,
            "frozen_after": "ab" * 32,
            "mode_difference": 0.0,
        },
        "ingest": {
            "uri": "file:///data/digits",
            "fingerprint": "cd" * 32,
            "classes": CLASSES,
            "num_read": 1804,
            "num_kept": 1797,
            "num_rejected": 7,
            "by_split": {"train": 1236, "stop": 137, "eval": 424},
            "num_duplicates": 3,
            "by_class": {"train": dict.fromkeys(CLASSES, 137), "eval": dict.fromkeys(CLASSES, 42)},
            "rejected_by_reason": {"unsupported_format": 4, "truncated": 3},
            "reject_examples": [
                {
                    "uri": f"digits/{index}/broken-{index}.bmp",
                    "reason": "unsupported_format",
                    "detail": "the file starts with 42 4d",
                }
                for index in range(7)
            ],
        },
        "tfma": {
            "train": {"categorical_accuracy": 0.998, "categorical_crossentropy": 0.0123},
            "eval": {"categorical_accuracy": 0.979, "categorical_crossentropy": 0.0871},
        },
        "per_class": [
            {"class": digit, "count": 42, "precision": 0.97 + int(digit) / 500, "recall": 0.999 - int(digit) / 200}
            for digit in CLASSES
        ],
    }


def make_run() -> RunFacts:
    timings = {
        "ImageExampleGen": 14.2,
        "StatisticsGen": 9.1,
        "ExampleValidator": 1.4,
        "DataGate": 0.4,
        "Transform": 18.8,
        "Trainer": 95.0,
        "Evaluator.train": 16.0,
        "Evaluator.eval": 12.1,
        "PushGate": 21.7,
        "ServingCheck": 11.9,
        "Pusher": 0.8,
        "RegistryPush": 3.0,
    }
    nodes = [NodeFacts("ImportSchemaGen", "cached", 0.1)] + [
        NodeFacts(name, "done", took) for name, took in timings.items()
    ]
    serving = {
        "passed": True,
        "findings": [],
        "max_difference": 2.4e-7,
        "latency_ms": {"1": {"p50": 21.4, "p95": 26.9}, "32": {"p50": 212.0, "p95": 240.5}},
        "requests": [
            {"name": "one image", "outcome": "answered", "detail": ""},
            {
                "name": "not an image",
                "outcome": "refused",
                "detail": "Unknown image file format. One of JPEG, PNG, GIF is required.",
            },
            {"name": "BMP", "outcome": "refused", "detail": "Unknown image file format."},
        ],
    }
    return RunFacts(
        run_id="20260105-093012-4f2a",
        started="2026-01-05T09:30:12+00:00",
        seconds=205.3,
        nodes=tuple(nodes),
        served_version="1767605412",
        registered_version="4",
        serving=serving,
        config="name: digits\ndata:\n  uri: file:///data/digits\ntrainer:\n  epochs: 12\n",
    )


def make_collapsed() -> tuple[dict[str, Any], dict[str, Any]]:
    """A BatchNorm collapse: good in training mode, at chance as served."""
    verdict, evidence = make_verdict(), make_evidence()
    detail = (
        "76.0 % of training images are right in training mode but 10.7 % in inference mode; "
        "BatchNorm serves other statistics than it trained with."
    )
    verdict |= {
        "decision": "BLOCK",
        "codes": ["G1", "G2"],
        "sentence": f"Blocked (G1 mode gap): {detail}",
        "baseline": None,
    }
    verdict["measurements"] |= {
        "A": measured(1043, 1373),
        "B": measured(147, 1373),
        "C": measured(42, 424),
        "top_share": 0.71,
        "top_class": "8",
    }
    chance = "9.9 % of 424 validation images are right."
    fired = {
        "G1": check("G1", "mode gap", True, "A - B", detail, 0.653, interval=gap(0.628, 0.676), threshold=0.05),
        "G2": check("G2", "chance", True, "C", chance, 0.099, interval=gap(0.074, 0.131), threshold=0.163),
    }
    verdict["checks"] = [fired.get(one["code"], one) for one in verdict["checks"]]
    return verdict, evidence


@pytest.fixture
def verdict() -> dict[str, Any]:
    return make_verdict()


@pytest.fixture
def evidence() -> dict[str, Any]:
    return make_evidence()


@pytest.fixture
def run_facts() -> RunFacts:
    return make_run()


@pytest.fixture
def collapsed() -> tuple[dict[str, Any], dict[str, Any]]:
    return make_collapsed()


@pytest.fixture
def diagnosis() -> dict[str, Any]:
    """A refused model's diagnosis, as the gate writes it."""
    layers = [
        {"name": name, "trainable": False, "momentum": 0.99, "mean_distance": far, "log_variance_ratio": 1.1}
        for name, far in (("conv1_bn", 0.4), ("conv2_bn", 8.0))
    ]
    channels = {"mean": [1.0, 2.0, 3.0], "deviation": [1.0, 1.0, 1.0], "low": [0.0] * 3, "high": [9.0] * 3}
    cause = {
        "id": "batch_norm_mode",
        "title": "frozen BatchNorm trained on batch statistics",
        "confidence": "strong",
        "evidence": ["76.0% are right in training mode and 10.0% in inference mode"],
        "explains": 0.98,
        "fix": "Call the backbone in inference mode. Compile again.",
    }
    shift = {"train": channels, "validation": channels, "standardised_difference": 0.25, "log_deviation_ratio": 0.0}
    return {
        "sentence": "Frozen BatchNorm trained on batch statistics.",
        "causes": [cause],
        "ruled_out": [{"id": "label_order", "by": "the best relabelling gains nothing"}],
        "unexamined": [{"id": "distribution_shift", "why": "no layer to take embeddings from"}],
        "measurements": {
            "train": {"correct": 100, "total": 1000},
            "validation": {"correct": 50, "total": 500},
            "modes": {"both": 100, "only_first": 660, "only_second": 0, "neither": 240},
            "reestimated_train": {"both": 100, "only_first": 650, "only_second": 0, "neither": 250},
            "layers": layers,
            "input_shift": shift,
        },
        "forward_passes": 3.1,
    }


@pytest.fixture(scope="session")
def sections() -> tuple[str, ...]:
    """Of the page, from top to bottom."""
    first = ("verdict", "measurements", "checks", "curves", "confusion", "reliability", "classes")
    return (*first, "worst", "data", "freeze", "baseline", "serving", "timing", "provenance")
