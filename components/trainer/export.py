"""Exports a classifier: one SavedModel from raw bytes to class names, and the Keras file beside it."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.backbone import kinds
from components.backbone.layers import flatten
from components.trainer.examples import ExampleReader
from components.trainer.inputs import Inputs, Trained

KERAS_FILE = Path("Format-Keras") / "model.keras"


class Served(tf.Module):
    """The Transform graph, the classifier and the class names in one SavedModel."""

    def __init__(self, model: keras.Model, reader: ExampleReader, classes: tuple[str, ...]) -> None:
        """Holds what must be saved.

        Args:
            model: A model from pixels to probabilities.
            reader: The `ExampleReader` with the Transform graph.
            classes: Names in the order of the outputs.
        """
        super().__init__()
        self.model = model
        self.backbone = kinds.within(model)
        self.classes = tf.constant(classes)
        self._reader = reader
        # A function of its own, so that the network is traced, saved and loaded once for both signatures that classify.
        self._classify = tf.function(lambda pixels: model(pixels, training=False), autograph=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies encoded pictures, string [batch].

        Returns:
            Probabilities float32 [batch, num_classes], class index int64 [batch] and class name string [batch].
        """
        probabilities = self._classify(self._reader.transform_images(image_bytes))
        class_index = tf.argmax(probabilities, axis=-1)
        return {
            "probabilities": probabilities,
            "class_index": class_index,
            "class_name": tf.gather(self.classes, class_index),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns probabilities, float32 [batch, num_classes], of serialized tf.train.Example, string [batch]."""
        pixels, _ = self._reader.transform_serialized(examples)
        return {"probabilities": self._classify(pixels)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def transform_labels(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the label indices, int64 [batch], of serialized tf.train.Example, string [batch]."""
        return {"label_index": self._reader.transform_serialized(examples)[1]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def embeddings(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the backbone's features of encoded pictures, float32 [batch, embedding_size]."""
        return {"embeddings": self.backbone(self._reader.transform_images(image_bytes), training=False)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def pixels(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the backbone's input for encoded pictures, float32 [batch, size, size, 3]."""
        return {"pixels": self._reader.transform_images(image_bytes)}


def export(trained: Trained, inputs: Inputs, serving_dir: Path) -> None:
    """Writes the SavedModel with its facts, and the Keras file.

    Args:
        trained: The classifier and its evidence.
        inputs: What it was trained from.
        serving_dir: The Model artifact's `Format-Serving`.
    """
    documents = {
        "frostgate.json": inputs.contract(trained),
        "freeze_proof.json": trained.proof.model_dump(),
        "history.json": inputs.history(trained),
    }
    write(in_float32(trained.model), inputs.reader, inputs.classes, documents, serving_dir)


def write(
    model: keras.Model,
    reader: ExampleReader,
    classes: tuple[str, ...],
    documents: Mapping[str, Any],
    serving_dir: Path,
) -> None:
    """Writes a classifier with all its signatures.

    Args:
        model: A model from pixels to probabilities, in float32.
        reader: Applies the Transform graph that becomes part of the export.
        classes: Names in the order of the outputs.
        documents: File name -> JSON document, put beside the SavedModel.
        serving_dir: The Model artifact's `Format-Serving`.
    """
    served = Served(model, reader, classes)
    tf.saved_model.save(
        served,
        str(serving_dir),
        signatures={
            "serving_default": served.serve,
            "evaluate": served.evaluate,
            "transform_labels": served.transform_labels,
            "embeddings": served.embeddings,
            "pixels": served.pixels,
        },
    )
    facts = serving_dir / "assets.extra"
    facts.mkdir()
    for name, document in documents.items():
        _write_json(facts / name, document)
    keras_file = serving_dir.parent / KERAS_FILE
    keras_file.parent.mkdir()
    model.save(keras_file)


def in_float32(model: keras.Model) -> keras.Model:
    """Returns the model itself, or its float32 twin when it was trained in mixed precision.

    Serving may run on other hardware than training did, where results in mixed precision would differ.
    """
    if all(layer.dtype_policy.name == "float32" for layer in flatten(model)):
        return model
    twin = type(model).from_config(_of_float32(model.get_config()))
    twin.set_weights(model.get_weights())
    return twin


def _of_float32(config: Any) -> Any:
    """Replaces every dtype of a model's configuration; a nested model's input has one that no layer's policy shows."""
    if isinstance(config, dict):
        return {key: "float32" if key == "dtype" and value else _of_float32(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_of_float32(item) for item in config)
    return config


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(_finite(value), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    """Replaces infinity and NaN, which JSON cannot express, by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
