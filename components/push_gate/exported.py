"""An exported model as serving sees it: bytes in, probabilities out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tensorflow as tf

from components.foreign import json_text
from components.push_gate.examples import SplitExamples

_BATCH_SIZE: Final = 64
SERVING_FOLDER: Final = "Format-Serving"
KERAS_PATH: Final = "Format-Keras/model.keras"
FACTS_FILE: Final = "frostgate.json"
FREEZE_PROOF_FILE: Final = "freeze_proof.json"
HISTORY_FILE: Final = "history.json"


@dataclass(frozen=True)
class Served:
    """What serving answered for n pictures."""

    probabilities: np.ndarray
    """float32 [n, classes]."""
    class_index: np.ndarray
    """int64 [n]."""


class ExportedModel:
    """A SavedModel with the trainer's signatures, and the facts beside it."""

    def __init__(self, model_uri: str) -> None:
        """Loads the SavedModel.

        Args:
            model_uri: A folder with `Format-Serving`.

        Raises:
            ValueError: `frostgate.json` or a signature is missing.
        """
        serving = f"{model_uri.rstrip('/')}/{SERVING_FOLDER}"
        facts = read_facts(model_uri, FACTS_FILE)
        if facts is None:
            raise ValueError(f"expected {serving}/assets.extra/{FACTS_FILE}; received an export without it.")
        self.facts: Mapping[str, Any] = facts
        self.classes: tuple[str, ...] = tuple(facts["classes"])
        # Held, for signatures die with the object that was loaded.
        self._loaded = tf.saved_model.load(serving)

    def serve(self, images: Sequence[bytes]) -> Served:
        """Asks `serving_default`.

        Raises:
            ValueError: The answer's shape or class names are not those of `frostgate.json`.
        """
        answer = self._signature("serving_default")(image_bytes=tf.constant(images, dtype=tf.string))
        probabilities, class_index = answer["probabilities"].numpy(), answer["class_index"].numpy()
        expected = (len(images), len(self.classes))
        if probabilities.shape != expected:
            raise ValueError(f"expected probabilities of shape {expected}; received {probabilities.shape}.")
        names = [name.decode("utf-8") for name in answer["class_name"].numpy()]
        if names != [self.classes[index] for index in class_index]:
            raise ValueError("expected class names in the order of frostgate.json; received others. Export again.")
        return Served(probabilities, class_index)

    def pixels(self, images: Sequence[bytes]) -> np.ndarray:
        """Asks `pixels`: what the Transform graph makes of encoded pictures, float32 [n, size, size, 3]."""
        answer = self._signature("pixels")(image_bytes=tf.constant(images, dtype=tf.string))
        return answer["pixels"].numpy()

    def embeddings_of(self, examples: SplitExamples, limit: int) -> np.ndarray | None:
        """The backbone's features of a split's first rows, at most so many, float32 [n, features].

        None for an export without the signature, as a `run_fn` of one's own may write.
        """
        if "embeddings" not in self._loaded.signatures:
            return None
        number = min(len(examples.rows), limit)
        parts = []
        for start in range(0, number, _BATCH_SIZE):
            images = examples.encoded(range(start, min(start + _BATCH_SIZE, number)))
            answer = self._signature("embeddings")(image_bytes=tf.constant(images, dtype=tf.string))
            parts.append(answer["embeddings"].numpy())
        return np.concatenate(parts)

    def pixels_of(self, examples: SplitExamples, limit: int) -> np.ndarray:
        """The pixels of a split's first rows, at most so many, in batches."""
        number = min(len(examples.rows), limit)
        starts = range(0, number, _BATCH_SIZE)
        return np.concatenate(
            [self.pixels(examples.encoded(range(start, min(start + _BATCH_SIZE, number)))) for start in starts]
        )

    def _signature(self, name: str) -> Any:
        if name not in self._loaded.signatures:
            raise ValueError(f"expected an export with signature {name!r}; received {list(self._loaded.signatures)}.")
        return self._loaded.signatures[name]


def read_facts(model_uri: str, file_name: str) -> dict[str, Any] | None:
    """Reads a JSON file beside the SavedModel; None where there is none."""
    return read_json(f"{model_uri.rstrip('/')}/{SERVING_FOLDER}/assets.extra/{file_name}")


def read_json(uri: str) -> dict[str, Any] | None:
    """Reads a JSON object; None where there is no file or no object in it."""
    if not tf.io.gfile.exists(uri):
        return None
    with tf.io.gfile.GFile(uri) as file:
        try:
            value = json_text.parse(file.read())
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def finite(value: Any) -> Any:
    """Replaces what JSON has no word for (NaN and infinities) by None, all the way down."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
