"""Toy exports and examples for the gate's tests: real digits, a tiny Keras net, the signatures a trainer writes."""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits

from components.push_gate.judge import Uris
from schemas import features

CLASSES = ("5", "6", "7", "8", "9")
IMAGE_SIZE = 8
BATCH_SIZE = 32


@dataclass(frozen=True)
class Digits:
    """Images uint8 [n, 8, 8] and labels int64 [n] of one split."""

    images: np.ndarray
    labels: np.ndarray

    @property
    def pixels(self) -> np.ndarray:
        return np.repeat(self.images[..., None], 3, axis=-1).astype(np.float32) / 255.0


def digits() -> dict[str, Digits]:
    """About 600 training and 300 validation images of the digits 5 to 9."""
    data = load_digits()
    keep = data.target >= 5
    images = np.round(data.images[keep] * (255 / 16)).astype(np.uint8)
    labels = data.target[keep].astype(np.int64) - 5
    is_eval = np.arange(len(labels)) % 3 == 0
    return {
        features.TRAIN: Digits(images[~is_eval], labels[~is_eval]),
        features.EVAL: Digits(images[is_eval], labels[is_eval]),
    }


def png(image: np.ndarray) -> bytes:
    """A uint8 [h, w] picture as an RGB PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def example(image: np.ndarray, label: str, uri: str) -> bytes:
    """One serialized raw example, as ingest writes it."""

    def bytes_feature(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    encoded = png(image)
    values = {
        features.IMAGE_BYTES: bytes_feature(encoded),
        features.LABEL: bytes_feature(label.encode()),
        features.URI: bytes_feature(uri.encode()),
        features.GROUP: bytes_feature(uri.encode()),
        features.CONTENT_HASH: bytes_feature(hashlib.sha256(image.tobytes()).hexdigest().encode()),
        features.FORMAT: bytes_feature(b"png" if int(image.sum()) % 2 else b"bmp"),
        features.HEIGHT: tf.train.Feature(int64_list=tf.train.Int64List(value=[image.shape[0]])),
        features.SHARPNESS: tf.train.Feature(float_list=tf.train.FloatList(value=[float(image.std())])),
    }
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()


def write_examples(uri: Path, data: dict[str, Digits], classes: Sequence[str] = CLASSES) -> None:
    """Writes `Split-*/*.gz` the way ingest lays examples out."""
    for split, part in data.items():
        folder = uri / f"Split-{split}"
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / "examples-00000-of-00001.gz"), options="GZIP") as writer:
            for index, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
                writer.write(example(image, classes[label], f"{split}/{index}.png"))


class Served(tf.Module):
    """The module a trainer saves: Keras model and preprocessing behind five signatures."""

    def __init__(self, model: keras.Model, classes: Sequence[str]) -> None:
        super().__init__()
        self._model = model
        self._weights = [variable.value for variable in model.variables]
        self._classes = tf.constant(list(classes))
        self._penultimate = keras.Model(model.inputs, model.layers[-2].output)

    def _pixels(self, image_bytes: tf.Tensor) -> tf.Tensor:
        def decode(encoded: tf.Tensor) -> tf.Tensor:
            image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
            image = tf.ensure_shape(image, [IMAGE_SIZE, IMAGE_SIZE, 3])
            return tf.cast(image, tf.float32) / 255.0

        return tf.map_fn(decode, image_bytes, fn_output_signature=tf.float32)

    def _parse(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {key: tf.io.FixedLenFeature([], tf.string) for key in (features.IMAGE_BYTES, features.LABEL)}
        return tf.io.parse_example(examples, spec)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = self._model(self._pixels(image_bytes), training=False)
        index = tf.argmax(probabilities, axis=-1)
        return {
            "probabilities": probabilities,
            "class_index": index,
            "class_name": tf.gather(self._classes, index),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = self._pixels(self._parse(examples)[features.IMAGE_BYTES])
        return {"probabilities": self._model(pixels, training=False)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def transform_labels(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        matches = self._parse(examples)[features.LABEL][:, None] == self._classes[None, :]
        index = tf.argmax(tf.cast(matches, tf.int64), axis=-1)
        return {features.LABEL_INDEX: tf.where(tf.reduce_any(matches, axis=-1), index, -1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def embeddings(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embeddings": self._penultimate(self._pixels(image_bytes), training=False)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def pixels(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"pixels": self._pixels(image_bytes)}


def network(momentum: float = 0.9, dropout: float = 0.2, offset: float = 0.0) -> keras.Model:
    """A small net with BatchNorm and Dropout; the larger the offset, the more depends on BatchNorm's statistics."""
    keras.utils.set_random_seed(11)
    return keras.Sequential(
        [
            keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3)),
            keras.layers.Rescaling(1.0, offset=offset),
            keras.layers.Flatten(),
            keras.layers.Dense(48),
            keras.layers.BatchNormalization(momentum=momentum),
            keras.layers.ReLU(),
            keras.layers.Dropout(dropout, seed=3),
            keras.layers.Dense(len(CLASSES), activation="softmax"),
        ]
    )


def train(model: keras.Model, data: Digits, epochs: int = 12) -> keras.Model:
    """Fits the toy in about two seconds."""
    keras.utils.set_random_seed(11)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(data.pixels, data.labels, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


def passed_proof() -> dict[str, object]:
    """A freeze proof without findings."""
    return {
        "passed": True,
        "findings": [],
        "expected_trainable_weights": 6,
        "trainable_weights": 6,
        "num_frozen_weights": 0,
        "num_batch_norm_layers": 1,
        "frozen_before": "00",
        "frozen_after": "00",
        "mode_difference": 0.0,
    }


def export(
    uri: Path,
    model: keras.Model,
    classes: Sequence[str] = CLASSES,
    served: Callable[[keras.Model], keras.Model] = lambda model: model,
) -> Path:
    """Writes a model artifact as the trainer does; `served` may put another model behind the signatures."""
    module = Served(served(model), classes)
    serving = uri / "Format-Serving"
    signatures = {
        "serving_default": module.serve,
        "evaluate": module.evaluate,
        "transform_labels": module.transform_labels,
        "embeddings": module.embeddings,
        "pixels": module.pixels,
    }
    tf.saved_model.save(module, str(serving), signatures=signatures)
    (uri / "Format-Keras").mkdir()
    model.save(uri / "Format-Keras" / "model.keras")
    extra = serving / "assets.extra"
    extra.mkdir()
    about = {
        "classes": list(classes),
        "image_size": IMAGE_SIZE,
        "batch_size": BATCH_SIZE,
        "seed": 11,
        "backbone": {"family": "toy", "weights": "none", "sha256": "ab"},
        "embedding_size": 48,
        "versions": {"keras": keras.__version__},
        "loss": "categorical_crossentropy",
    }
    (extra / "frostgate.json").write_text(json.dumps(about))
    (extra / "freeze_proof.json").write_text(json.dumps(passed_proof()))
    history = {"phases": [], "num_updates": 10, "momentum_lint": None}
    (extra / "history.json").write_text(json.dumps(history))
    return uri


def evaluate(root: Path, examples: Path, model: Path, slice_features: tuple[str, ...] = ()) -> dict[str, str]:
    """Runs the stock Evaluator's executor on both splits; split -> uri of its ModelEvaluation."""
    from tfx.components.evaluator.executor import Executor
    from tfx.types import standard_artifacts
    from tfx.utils import proto_utils

    from components.evaluation.config import eval_config
    from components.evaluation.settings import EvaluationSettings
    from pipeline.config import BeamSettings
    from pipeline.training import beam_args

    config = eval_config(EvaluationSettings(slice_features=slice_features))
    inputs = {"examples": [standard_artifacts.Examples()], "model": [standard_artifacts.Model()]}
    inputs["examples"][0].uri, inputs["examples"][0].split_names = str(examples), '["train", "eval"]'
    inputs["model"][0].uri = str(model)
    uris = {}
    for split in features.JUDGED:
        evaluation, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
        evaluation.uri, blessing.uri = str(root / split), str(root / "blessing")
        context = Executor.Context(
            beam_pipeline_args=beam_args(BeamSettings()), tmp_dir=str(root / "tmp"), unique_id=split
        )
        Executor(context).Do(
            inputs,
            {"evaluation": [evaluation], "blessing": [blessing]},
            {
                "eval_config": proto_utils.proto_to_json(config),
                "example_splits": json.dumps([split]),
                "fairness_indicator_thresholds": "null",
            },
        )
        uris[split] = evaluation.uri
    return uris


def collapsed(data: Digits) -> keras.Model:
    """Learns on batch statistics; its moving statistics are still near their start."""
    return train(network(momentum=0.9999, dropout=0.0, offset=2.0), data)


def broken(data: Digits) -> keras.Model:
    """A model whose every answer is NaN."""
    model = train(network(), data, epochs=1)
    model.layers[-1].kernel.assign(model.layers[-1].kernel * float("nan"))
    return model


def constant(data: Digits) -> keras.Model:
    """Always says the third class."""
    model = train(network(), data, epochs=1)
    model.layers[-1].set_weights([np.zeros((48, len(CLASSES))), np.array([0.0, 0.0, 3.0, 0.0, 0.0])])
    return model


def healthy(data: Digits) -> keras.Model:
    """Gets nearly everything right in either mode."""
    return train(network(), data)


KINDS: dict[str, Callable[[Digits], keras.Model]] = {
    "healthy": healthy,
    "collapsed": collapsed,
    "broken": broken,
    "constant": constant,
}


@dataclass(frozen=True)
class Run:
    """A toy's artifacts, as the gate finds them."""

    root: Path
    model: Path
    evaluations: dict[str, str]

    def uris(self) -> Uris:
        return Uris(
            model=str(self.model),
            splits={split: str(self.root / "examples" / f"Split-{split}") for split in features.SPLITS},
            evaluations=self.evaluations,
            ingest_report=str(self.root / "ingest"),
            data_decision=str(self.root / "data"),
            baseline=str(self.root / "baseline"),
        )


def write_documents(root: Path, data: dict[str, Digits]) -> None:
    """What ingest, the data gate and the resolver of the baseline leave behind."""
    sizes = {features.STOP: 0} | {split: len(part.labels) for split, part in data.items()}
    report = {"classes": CLASSES, "num_rejected": 0, "num_kept": sum(sizes.values()), "by_split": sizes}
    documents = {
        "ingest/report.json": report,
        "data/decision.json": {"passed": True, "reasons": [], "checked_splits": ["eval", "stop", "train"]},
        "baseline/baseline.json": {"version": None, "run_id": None, "fingerprint": None, "model_name": "toy"},
    }
    for name, document in documents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
