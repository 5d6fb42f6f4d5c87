"""Names the causes of a model's refusal by a diagnosis of the export that the gate measured."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from components.diagnosis.answers import Cause, Diagnosis, Unexamined
from components.diagnosis.attribution import attribute
from components.diagnosis.evidence import Measurements
from components.diagnosis.head import look
from components.diagnosis.probes import examine_session
from components.diagnosis.session import Examples, Session
from components.diagnosis.wording import named
from components.intervals import Counts
from components.push_gate.evidence import Check
from components.push_gate.examples import SplitExamples
from components.push_gate.exported import KERAS_PATH, ExportedModel
from components.push_gate.measure import Measurement
from components.push_gate.quality import LABEL_ORDER
from components.push_gate.training_mode import load_keras
from schemas import features

# The most examples of a split that are examined: decoded at 224 px, both splits then take 1.2 GB. Examples are in the
# order of their content hash, so the first ones are a fair sample.
_MOST_EXAMPLES: Final = 1_000


@dataclass(frozen=True)
class Explanation:
    """Why a model was refused, as far as the diagnosis shows."""

    diagnosis: Diagnosis
    measurements: Measurements | None = None
    """None where the model could not be examined."""
    forward_passes: float = 0.0
    """The number of passes over the examined examples of both splits."""

    def document(self) -> dict[str, Any]:
        """Returns the verdict's part `diagnosis`, ready for JSON."""
        return asdict(self.diagnosis) | {
            "sentence": self.diagnosis.sentence,
            "measurements": asdict(self.measurements) if self.measurements else None,
            "forward_passes": self.forward_passes,
        }


def explain(
    model_uri: str,
    measured: Measurement | None,
    checks: Sequence[Check],
    claimed: Counts | None,
    num_updates: int | None,
) -> Explanation:
    """Names the causes of a refusal; where the diagnosis itself fails, the answer says why, and the verdict stands.

    Args:
        model_uri: The Model artifact that was measured.
        measured: The gate's measurement; None when it broke off.
        checks: The gate's checks: renamed classes show only in the comparison with the champion, not in the model.
        claimed: Training accuracy from the trainer's history; None without a history.
        num_updates: Updates that the trainer made; None without a history.
    """
    explanation = _of_the_model(model_uri, measured, claimed, num_updates)
    causes = (*_of_the_labels(checks), *explanation.diagnosis.causes)
    return replace(explanation, diagnosis=replace(explanation.diagnosis, causes=causes))


def _of_the_labels(checks: Sequence[Check]) -> Iterator[Cause]:
    for check in checks:
        if check.name == LABEL_ORDER and check.fired:
            yield named("renamed_classes", "strong", (check.detail.rpartition(";")[0],), None)


def _of_the_model(
    model_uri: str, measured: Measurement | None, claimed: Counts | None, num_updates: int | None
) -> Explanation:
    if measured is None:
        return _unexplained("the measurement broke off")
    try:
        return _explained(model_uri, measured, claimed, num_updates)
    # Any error is caught, MemoryError included: the verdict is made, and a failed explanation must not lose it.
    except Exception as error:
        return _unexplained(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def _explained(model_uri: str, measured: Measurement, claimed: Counts | None, num_updates: int | None) -> Explanation:
    model = load_keras(f"{model_uri.rstrip('/')}/{KERAS_PATH}")
    if model is None:
        return _unexplained("the export has no Keras model")
    exported = ExportedModel(model_uri)
    facts, num_classes = exported.facts, len(exported.classes)
    session = Session(
        model=model,
        head=look(model, num_classes, facts.get("loss")),
        train=_inputs(exported, measured.examples[features.TRAIN]),
        validation=_inputs(exported, measured.examples[features.EVAL]),
        num_classes=num_classes,
        batch_size=facts["batch_size"],
        seed=facts["seed"],
        claimed=claimed,
        num_updates=num_updates,
        family=facts.get("preprocessing"),
        copies=measured.copies.copies.first(_MOST_EXAMPLES),
        copied_labels=measured.copies.training_labels,
    )
    measurements, _ = examine_session(session)
    return Explanation(attribute(measurements), measurements, round(session.passes, 2))


def _inputs(exported: ExportedModel, examples: SplitExamples) -> Examples:
    pixels = exported.pixels_of(examples, _MOST_EXAMPLES)
    return Examples(pixels, examples.labels[: len(pixels)])


def _unexplained(why: str) -> Explanation:
    return Explanation(Diagnosis((), (), (Unexamined("every cause", why),)))
