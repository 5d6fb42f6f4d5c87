"""A verdict in a registry's words: tags to search, parameters to compare, metrics to plot."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from components.errors import without_credentials
from components.registry.protocol import (
    ACCURACY,
    BASELINE,
    CODES,
    DECISION,
    FINGERPRINT,
    KERAS,
    REFERENCE,
    RUN_KEY,
    SENTENCE,
    SERVES,
    TRAINING_KEY,
    VALIDATION,
    WARM_START,
    WEIGHTS,
)

# A: training images in training mode, B: the same in inference mode, C: validation images.
_ACCURACIES: Final = {"A": "train.accuracy_training_mode", "B": "train.accuracy", "C": "eval.accuracy"}
_SINGLE_METRICS: Final = ("majority_share", "top_share", "parity_difference")


@dataclass(frozen=True)
class Facts:
    """What is known of a run beside its verdict.

    Attributes:
        fingerprint: Of the model.
        config_fingerprint: Of the effective configuration.
        run_key: What the run was made of.
        training_key: What the training was made of.
        git_revision: Of the code; empty outside a checkout.
        image: Of the container, by digest; empty outside a cluster.
        kfp_run_id: Of the run on the cluster; empty outside one.
        schema_fingerprint: Of what the data were held against.
        freeze_proof: freeze_proof.json of the export; None for one that has none.
        reference_fingerprint: Of what monitoring compares with; empty where there is none.
        keras_sha256: Of the Keras file; empty where there is none.
    """

    fingerprint: str
    config_fingerprint: str
    run_key: str
    training_key: str
    git_revision: str
    image: str
    kfp_run_id: str
    schema_fingerprint: str
    freeze_proof: Mapping[str, Any] | None
    reference_fingerprint: str
    keras_sha256: str


def promotes(decision: str, pushed: bool) -> bool:
    """Whether the alias may move: the gate passed the model and it is served.

    Args:
        decision: PASS, BLOCK or HOLD; anything else is a no.
        pushed: Whether it was.
    """
    return decision == "PASS" and pushed


def metrics(verdict: Mapping[str, Any], serving: Mapping[str, Any]) -> dict[str, float]:
    """Collects the numbers worth plotting.

    Args:
        verdict: verdict.json.
        serving: serving.json.

    Returns:
        Finite numbers by name; what was not measured is absent, never zero.
    """
    measured = verdict.get("measurements") or {}
    found: dict[str, Any] = {}
    for key, name in _ACCURACIES.items():
        counts = measured.get(key) or {}
        interval = counts.get("interval") or {}
        found |= {name: counts.get("value"), f"{name}_low": interval.get("low"), f"{name}_high": interval.get("high")}
    found |= {name: measured.get(name) for name in _SINGLE_METRICS}
    found |= {f"{split}.loss": value for split, value in (measured.get("loss") or {}).items()}
    found |= {
        f"serving.batch_{size}.{quantile}_milliseconds": value
        for size, quantiles in (serving.get("latency_ms") or {}).items()
        for quantile, value in quantiles.items()
    }
    found["serving.max_difference"] = serving.get("max_difference")
    return {name: float(value) for name, value in found.items() if _is_finite(value)}


def tags(
    verdict: Mapping[str, Any], serving: Mapping[str, Any], ingest: Mapping[str, Any], facts: Facts
) -> dict[str, str]:
    """Collects what a person or a later run searches for.

    Args:
        verdict: verdict.json.
        serving: serving.json.
        ingest: report.json of the ingest step.
        facts: What else is known.

    Returns:
        Text by name; what is not known is absent.
    """
    fingerprints = verdict.get("fingerprints") or {}
    splits = ingest.get("by_split") or {}
    proof = facts.freeze_proof
    found = {
        FINGERPRINT: facts.fingerprint,
        DECISION: verdict["decision"],
        RUN_KEY: facts.run_key,
        BASELINE: (verdict.get("baseline") or {}).get("version") or "none",
        CODES: ",".join(verdict.get("codes") or ()),
        ACCURACY: _share((verdict.get("measurements") or {}).get("C")),
        SERVES: "yes" if serving.get("passed") else "no",
        SENTENCE: verdict.get("sentence"),
        "frostgate.causes": ",".join(cause["id"] for cause in (verdict.get("diagnosis") or {}).get("causes", ())),
        "frostgate.repaired_from": verdict.get("repaired_from"),
        "frostgate.thresholds": json.dumps(verdict.get("thresholds") or {}, separators=(",", ":")),
        "frostgate.freeze_proof": None if proof is None else "passed" if proof["passed"] else "failed",
        "frostgate.config_fingerprint": facts.config_fingerprint,
        REFERENCE: facts.reference_fingerprint,
        KERAS: facts.keras_sha256,
        TRAINING_KEY: facts.training_key,
        WARM_START: _start(verdict.get("warm_start")),
        VALIDATION: validation_split(ingest),
        WEIGHTS: fingerprints.get("weights"),
        "frostgate.data_fingerprint": fingerprints.get("data"),
        "frostgate.backbone_fingerprint": fingerprints.get("backbone"),
        "frostgate.schema_fingerprint": facts.schema_fingerprint,
        "frostgate.spans": ",".join(map(str, ingest.get("spans") or ())),
        "frostgate.num_rejected": ingest.get("num_rejected"),
        "frostgate.git_revision": facts.git_revision,
        "frostgate.image": facts.image,
        "frostgate.kfp_run_id": facts.kfp_run_id,
        "mlflow.source.git.commit": facts.git_revision,
    } | {f"frostgate.num_{split}": count for split, count in splits.items()}
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


def validation_split(ingest: Mapping[str, Any]) -> str:
    """Says how pictures came to validate.

    Args:
        ingest: report.json of the ingest step.

    Returns:
        The share drawn by content, or "given" by the data; empty where the report does not say.
    """
    if "eval_fraction" not in ingest:
        return ""
    return "given" if ingest["eval_fraction"] is None else str(ingest["eval_fraction"])


def _start(warm_start: Mapping[str, Any] | None) -> str | None:
    return None if warm_start is None else warm_start["version"] or "none"


def _share(counts: Mapping[str, Any] | None) -> str | None:
    if not counts or "interval" not in counts:
        return None
    low, high = counts["interval"]["low"], counts["interval"]["high"]
    return f"{counts['value']:.4f} [{low:.4f}, {high:.4f}]"


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Turns nested configuration into one line a value.

    Args:
        config: JSON-like.
        prefix: Of every name.

    Returns:
        Text by dotted name; lists as JSON; credentials inside addresses removed.
    """
    return {name: without_credentials(text) for name, text in _leaves(config, prefix)}


def _leaves(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
