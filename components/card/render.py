"""Verdict and evidence -> one HTML page that needs nothing else."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from components.card import diagnosis_plots, formats, plots, sections
from components.card.facts import RunFacts

TEMPLATE = "card.html.jinja"

_DECISIONS = {
    "PASS": {"class": "pass", "mark": "✓", "title": "This model may be served"},
    "BLOCK": {"class": "block", "mark": "✕", "title": "This model is blocked"},
    "HOLD": {"class": "hold", "mark": "!", "title": "A person must decide"},
}
_SHARES = ("majority_share", "top_share", "top_class", "parity_difference")


def render(verdict: Mapping[str, Any], evidence: Mapping[str, Any], run: RunFacts | None) -> str:
    """Writes a run's card.

    Args:
        verdict: `verdict.json`; only `decision` and `sentence` must be there.
        evidence: `evidence.json`; whatever is missing or null is shown as not available.
        run: What the runner knows; None before the run is over.

    Returns:
        An HTML page without scripts or network requests, encodable as UTF-8; equal arguments give equal pages.

    Raises:
        ValueError: The verdict is none.
    """
    decision = verdict.get("decision")
    if decision not in _DECISIONS or not verdict.get("sentence"):
        raise ValueError(
            "a verdict must have a decision (PASS, BLOCK or HOLD) and a sentence; "
            f"received decision {decision!r} and sentence {verdict.get('sentence')!r}. Give the gate's verdict.json."
        )
    facts = run or RunFacts()
    page = _template().render(
        outcome=_DECISIONS[decision] | {"decision": decision, "sentence": verdict["sentence"]},
        run=facts,
        **_of_verdict(verdict),
        **_of_evidence(evidence),
        **_of_diagnosis(verdict.get("diagnosis"), evidence.get("copies")),
        serving=sections.serving_view(facts.serving),
        nodes=sections.node_rows(facts),
    )
    # File names of the data may hold half a character, which UTF-8 cannot write.
    return page.encode("utf-8", "replace").decode("utf-8")


def _of_verdict(verdict: Mapping[str, Any]) -> dict[str, Any]:
    measurements, checks = verdict.get("measurements") or {}, verdict.get("checks") or []
    chance = sections.chance_threshold(checks)
    loss = measurements.get("loss") or {}
    return {
        "codes": verdict.get("codes") or [],
        "checks": sections.check_rows(checks),
        "measurements": sections.measurement_rows(measurements),
        "shares": {key: measurements.get(key) for key in _SHARES},
        "loss": {split: loss.get(split) for split in ("train", "eval")},
        "chance": chance,
        "accuracy_plot": plots.accuracy_plot(measurements, verdict.get("baseline"), chance),
        "slices": sections.slice_table(verdict.get("slices")),
        "baseline": verdict.get("baseline"),
        "seed": verdict.get("seed"),
        "warm_start": verdict.get("warm_start") or {},
        **{key: verdict.get(key) or {} for key in ("thresholds", "counts", "fingerprints", "versions")},
    }


def _of_evidence(evidence: Mapping[str, Any]) -> dict[str, Any]:
    classes, confusion = evidence.get("classes") or [], evidence.get("confusion") or {}
    history, reliability = evidence.get("history") or {}, evidence.get("reliability") or {}
    ingest = evidence.get("ingest")
    return {
        "phases": [_phase(phase, index) for index, phase in enumerate(sections.phase_rows(history))],
        "history": {key: history.get(key) for key in ("num_updates", "momentum_lint")},
        "confusions": {
            split: plots.confusion_plot(confusion.get(split), classes, split) for split in ("eval", "train")
        },
        "mistakes": sections.confusion_rows(confusion.get("eval"), classes),
        "reliability_plot": plots.reliability_plot(reliability),
        "bins": sections.bin_rows(reliability),
        "calibration_error": reliability.get("expected_calibration_error"),
        "per_class": sections.class_rows(evidence.get("per_class"), ingest),
        "worst": sections.worst_rows(evidence.get("worst")),
        "ingest": sections.ingest_view(ingest),
        "freeze": sections.freeze_view(evidence.get("freeze_proof")),
        "metrics": sections.metric_rows(evidence.get("tfma")),
    }


def _of_diagnosis(diagnosis: Mapping[str, Any] | None, copies: Any) -> dict[str, Any]:
    found = (diagnosis or {}).get("measurements") or {}
    drawn = {
        "What undoing gives back": diagnosis_plots.undone_plot(found),
        "BatchNorm layers": diagnosis_plots.layers_plot(found.get("layers")),
        "Inputs by channel": diagnosis_plots.channels_plot(found.get("input_shift")),
    }
    return {
        "diagnosis": sections.diagnosis_view(diagnosis, copies),
        "diagnosis_plots": [(title, plot) for title, plot in drawn.items() if plot],
    }


def _phase(phase: Mapping[str, Any], index: int) -> dict[str, Any]:
    drawn = [plots.curves_plot(phase, quantity, f"{quantity}-{index}") for quantity in ("accuracy", "loss")]
    best = phase.get("best_epoch")
    return {
        "name": str(phase.get("name", "unnamed")).replace("_", " "),
        "num_epochs": len(phase["epochs"]),
        "best_epoch": None if best is None else best + 1,
        "plots": [plot for plot in drawn if plot],
    }


@lru_cache(maxsize=1)
def _template() -> Template:
    # Autoescape by file name would miss this one, for it ends in .jinja.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    for name in ("number", "percent", "seconds", "milliseconds", "interval", "level", "cell"):
        environment.filters[name] = getattr(formats, name)
    environment.globals["percent"] = formats.percent
    return environment.get_template(TEMPLATE)
