"""Pictures in, answers out, whoever answers; a picture that cannot be read does not cost the others theirs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from components.errors import DataRefused
from components.foreign import json_text

BATCH_SIZE: Final = 32


@dataclass(frozen=True)
class Answer:
    """What the model says of one picture."""

    class_name: str
    probabilities: tuple[float, ...]
    """In the order of the model's classes."""


@dataclass(frozen=True)
class Prediction:
    """One picture's outcome."""

    uri: str
    answer: Answer | None
    """None where there is none."""
    error: str = ""
    """Why not."""


class Refused(Exception):
    """The model did not take a request; it says why."""


Ask = Callable[[Sequence[bytes]], list[Answer]]


def predict(pictures: Sequence[tuple[str, bytes]], ask: Ask) -> Iterator[Prediction]:
    """Asks in batches, and one by one where a batch was refused.

    Args:
        pictures: Address and encoded file of each.
        ask: Answers a batch; raises `Refused` where it does not take it.

    Yields:
        One prediction for each picture, in order.
    """
    for start in range(0, len(pictures), BATCH_SIZE):
        batch = pictures[start : start + BATCH_SIZE]
        try:
            answers = ask([encoded for _, encoded in batch])
        except Refused:
            yield from (_alone(uri, encoded, ask) for uri, encoded in batch)
        else:
            yield from (Prediction(uri, answer) for (uri, _), answer in zip(batch, answers, strict=True))


def from_rest(body: bytes, num_images: int) -> list[Answer]:
    """Reads TensorFlow Serving's answer to a row request.

    Args:
        body: JSON with `predictions`.
        num_images: How many were asked about.

    Raises:
        DataRefused: It is something else.
    """
    try:
        found = [
            Answer(str(one["class_name"]), tuple(map(float, one["probabilities"])))
            for one in json_text.parse(body)["predictions"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise DataRefused(
            f"expected TensorFlow Serving's predictions with class_name and probabilities; received {body[:80]!r}."
        ) from error
    if len(found) != num_images:
        raise DataRefused(f"expected {num_images} predictions; received {len(found)}.")
    return found


def _alone(uri: str, encoded: bytes, ask: Ask) -> Prediction:
    try:
        (answer,) = ask([encoded])
    except Refused as reason:
        return Prediction(uri, None, str(reason))
    return Prediction(uri, answer)
