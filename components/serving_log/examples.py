"""What is compared of a picture and of the answer that it got, as a `tf.train.Example`."""

from collections.abc import Mapping

import tensorflow as tf

from schemas import features


def answer_features(class_name: str, confidence: float) -> dict[str, tf.train.Feature]:
    """The answer's part of an example."""
    return {features.PREDICTED_CLASS: text(class_name), features.CONFIDENCE: number(confidence)}


def compared(example: tf.train.Example, further: Mapping[str, tf.train.Feature]) -> tf.train.Example:
    """Returns what is compared of an example and nothing else: no picture, name, time or label.

    Args:
        example: From ingest or from a log.
        further: Put beside what the example holds.
    """
    found = example.features.feature
    kept = {key: found[key] for key in (*features.SERVED_NUMBERS, *features.SERVED_NAMES) if key in found}
    return example_of({**kept, **further})


def example_of(values: Mapping[str, tf.train.Feature]) -> tf.train.Example:
    """Builds an example."""
    return tf.train.Example(features=tf.train.Features(feature=dict(sorted(values.items()))))


def number(value: float) -> tf.train.Feature:
    """A feature of one float32."""
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))


def text(value: str) -> tf.train.Feature:
    """A feature of one text, in UTF-8."""
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))


def only_bytes(example: tf.train.Example, key: str) -> bytes:
    """A feature's one value; empty where there is none."""
    found = example.features.feature
    values = found[key].bytes_list.value if key in found else ()
    return values[0] if values else b""
