"""A tiny export with the real decoding and the contract's signatures, and ways to spoil it."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ["cat", "dog", "emu"]
SIZE = 8


@pytest.fixture(scope="session")
def images() -> list[bytes]:
    """Five PNG pictures, 12 by 10, all different."""
    return [encode(index) for index in range(5)]


def encode(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (10, 12, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a Model artifact's folder; `pixels_of`, `shift`, `answer` and `classes` spoil the served part."""
    import keras
    import tensorflow as tf

    from components.preprocessing import CAFFE
    from components.transform.preprocessing import to_pixels

    def make(
        *,
        pixels_of: Callable = to_pixels,
        shift: float = 0.0,
        answer: Callable[[dict], dict] = dict,
        classes: list[str] = CLASSES,
    ) -> Path:
        folder = tmp_path_factory.mktemp("model")
        keras.utils.set_random_seed(7)
        inputs = keras.Input((SIZE, SIZE, 3))
        outputs = keras.layers.Dense(len(CLASSES), activation="softmax")(keras.layers.Flatten()(inputs / 500.0))
        network = keras.Model(inputs, outputs)
        (folder / "Format-Keras").mkdir()
        network.save(folder / "Format-Keras" / "model.keras")
        network.layers[-1].bias.assign([shift, 0.0, 0.0])
        module = tf.Module()
        module.network, module.names = network, tf.Variable(CLASSES, trainable=False)
        images = tf.TensorSpec([None], tf.string, name="image_bytes")

        @tf.function(input_signature=[images])
        def serve(image_bytes: tf.Tensor) -> dict:
            probabilities = network(pixels_of(image_bytes, SIZE, CAFFE), training=False)
            index = tf.argmax(probabilities, axis=1)
            names = tf.gather(module.names, index)
            return answer({"probabilities": probabilities, "class_index": index, "class_name": names})

        @tf.function(input_signature=[images])
        def pixels(image_bytes: tf.Tensor) -> dict:
            return {"pixels": to_pixels(image_bytes, SIZE, CAFFE)}

        signatures = {"serving_default": serve, "pixels": pixels}
        tf.saved_model.save(module, str(folder / "Format-Serving"), signatures=signatures)
        (folder / "Format-Serving" / "assets.extra").mkdir()
        text = json.dumps({"classes": classes, "image_size": SIZE})
        (folder / "Format-Serving" / "assets.extra" / "frostgate.json").write_text(text)
        return folder

    return make
