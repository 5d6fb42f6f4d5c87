"""The training graph's own probabilities, computed in this process, and how far rounding may move them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import keras
import numpy as np
import tensorflow as tf

from components.parity import one_spacing_up, rounding_limit
from components.serving_check.judging import Reference
from schemas import features

_BATCH: Final = 32


def read_images(split_uri: str, num_examples: int) -> list[bytes]:
    """Reads the first encoded pictures of a split.

    Args:
        split_uri: Folder of gzip TFRecords.
        num_examples: At most this many.
    """
    files = sorted(tf.io.gfile.glob(f"{split_uri}/*.gz"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").take(num_examples)
    return [_image(record) for record in records.as_numpy_iterator()]


def training_probabilities(model_dir: Path, keras_path: Path, images: Sequence[bytes]) -> Reference:
    """Scores pictures as training did: the Transform graph's pixels through the Keras model.

    Args:
        model_dir: The export, whose `pixels` signature is the Transform graph.
        keras_path: The trained model, pixels -> probabilities.
        images: Encoded pictures, at least one.

    Returns:
        The probabilities, float32 [len(images), num_classes], and their limit.

    Raises:
        ValueError: The files are missing or not what they should be.
    """
    try:
        # On the CPU, like the fresh process: TF32 alone would exceed the tolerance.
        with tf.device("/CPU:0"):
            probabilities, nudged = map(np.concatenate, zip(*_scores(model_dir, keras_path, images), strict=True))
    except (OSError, KeyError, TypeError, ValueError, tf.errors.OpError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return Reference(probabilities, rounding_limit(probabilities, nudged))


def _scores(model_dir: Path, keras_path: Path, images: Sequence[bytes]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    export = tf.saved_model.load(str(model_dir))
    model = keras.saving.load_model(str(keras_path), compile=False, safe_mode=True)
    for start in range(0, len(images), _BATCH):
        batch = tf.constant(list(images[start : start + _BATCH]), tf.string)
        pixels = export.signatures["pixels"](image_bytes=batch)[features.PIXELS].numpy()
        nudged = model(one_spacing_up(pixels), training=False)
        yield np.asarray(model(pixels, training=False)), np.asarray(nudged)


def _image(record: bytes) -> bytes:
    example = tf.train.Example.FromString(record)
    return example.features.feature[features.IMAGE_BYTES].bytes_list.value[0]
