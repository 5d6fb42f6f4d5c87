"""From what the gate measured to what monitoring compares with."""

from typing import Final

from components.push_gate.examples import first_examples
from components.push_gate.measure import Measurement
from components.serving_log.reference import write_reference
from schemas import features

# A two-sample test against so many sees a shift of a tenth of a standard deviation.
_MAX_EXAMPLES: Final = 2_000


def write(uri: str, split_uri: str, measurement: Measurement) -> None:
    """Writes what the model says of validation images; nothing for one whose answers are not numbers.

    Args:
        uri: The Reference artifact.
        split_uri: Folder of the validation examples.
        measurement: The model's.
    """
    scores = measurement.scores[features.EVAL]
    if (scores.predicted < 0).any():
        return
    examples = first_examples(split_uri, _MAX_EXAMPLES)
    names = [measurement.classes[index] for index in scores.predicted[: len(examples)]]
    answers = list(zip(names, scores.top_probability[: len(examples)].tolist(), strict=True))
    write_reference(uri, examples, answers, measurement.embeddings)
