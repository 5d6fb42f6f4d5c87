"""One request and its answer as a `tf.train.Example`."""

from dataclasses import dataclass
from typing import Self

import tensorflow as tf

from components.ingest.items import Container, Raw, Reject
from components.ingest.record import Inspector, scalar_features
from components.serving_log.examples import answer_features, example_of, text
from schemas import features


@dataclass(frozen=True)
class Asked:
    """A picture, and what the model said of it."""

    picture: bytes
    """The encoded file, as it came."""
    class_name: str
    confidence: float
    """Of that class, 0..1."""
    served_at: int
    """Seconds since 1970, UTC."""
    model: str
    """Hex sha256 of its weights; empty where it is not known."""

    def checked(self) -> Self:
        """Returns itself.

        Raises:
            ValueError: It is no request.
        """
        if not isinstance(self.picture, bytes) or not isinstance(self.class_name, str):
            raise ValueError(
                "expected a picture's bytes and the class's name; received "
                f"{type(self.picture).__name__} and {type(self.class_name).__name__}."
            )
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"expected a probability between 0 and 1; received {self.confidence}.")
        return self


def log_example(asked: Asked, inspector: Inspector, with_picture: bool) -> tf.train.Example:
    """Builds what the log keeps; a picture that ingest would reject has an answer and no scalars.

    Args:
        asked: The request.
        inspector: Measures as ingest does, so that the two can be compared.
        with_picture: Whether the picture is kept.
    """
    looked = inspector.look(Raw("", "", None, 0, asked.picture), Container("file", ""))
    values = {} if isinstance(looked, Reject) else scalar_features(looked)
    values |= answer_features(asked.class_name, asked.confidence)
    values[features.SERVED_AT] = tf.train.Feature(int64_list=tf.train.Int64List(value=[asked.served_at]))
    values[features.MODEL] = text(asked.model)
    if with_picture:
        values[features.IMAGE_BYTES] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[asked.picture]))
    return example_of(values)
