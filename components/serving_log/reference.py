"""What a model says of pictures like those it learnt from: what a log of its requests is compared with."""

import io
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import tensorflow as tf

from components.foreign.archives import parse_array
from components.serving_log.embeddings import distances
from components.serving_log.examples import answer_features, compared, number
from schemas import features

FOLDER: Final = "reference"
EXAMPLES_FILE: Final = "examples.tfrecord.gz"
MEAN_FILE: Final = "embedding_mean.npy"


def write_reference(
    uri: str,
    examples: Sequence[tf.train.Example],
    answers: Sequence[tuple[str, float]],
    embeddings: np.ndarray | None,
) -> None:
    """Writes a reference.

    Args:
        uri: Folder, local or one that TensorFlow knows.
        examples: Ingested ones.
        answers: Class name and its probability for each.
        embeddings: float32 [n, features] of the first n of them; None for a model that gives none.
    """
    tf.io.gfile.makedirs(uri)
    measured: list[float] = []
    if embeddings is not None:
        mean = embeddings.mean(axis=0)
        measured = distances(embeddings, mean)
        _write_array(f"{uri}/{MEAN_FILE}", mean)
    with tf.io.TFRecordWriter(f"{uri}/{EXAMPLES_FILE}", "GZIP") as writer:
        for position, (example, answer) in enumerate(zip(examples, answers, strict=True)):
            further = answer_features(*answer)
            if position < len(measured):
                further[features.EMBEDDING_DISTANCE] = number(measured[position])
            writer.write(compared(example, further).SerializeToString())


def read_examples(uri: str) -> Iterator[tf.train.Example]:
    """Yields a reference's examples; none where there is no reference."""
    path = f"{uri}/{EXAMPLES_FILE}"
    if not tf.io.gfile.exists(path):
        return
    for record in tf.data.TFRecordDataset(path, compression_type="GZIP"):
        yield tf.train.Example.FromString(record.numpy())


def read_mean(uri: str) -> np.ndarray | None:
    """Returns the embeddings' mean, float32 [features]; None where there is none."""
    path = f"{uri}/{MEAN_FILE}"
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path, "rb") as file:
        return parse_array(file.read())


def _write_array(path: str, values: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, values)
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(buffer.getvalue())
