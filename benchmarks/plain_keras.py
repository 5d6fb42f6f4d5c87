"""What one would write without a pipeline: pretrain, embed once, train a head, save. Prints the validation accuracy.

The same task, sizes, epochs and optimizer as the embedded example; nothing is checked, judged, registered or resumable.
"""

import sys
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Returns the digits as float32 [1797, 32, 32, 3], scaled for ResNet50, and their labels int64 [1797]."""
    data = load_digits()
    small = (data.images * (255 / 16)).round().astype(np.uint8)
    grown = np.stack([np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC)) for one in small])
    rgb = np.repeat(grown[..., None], 3, axis=-1).astype(np.float32)
    return keras.applications.resnet50.preprocess_input(rgb), data.target


def eight_ways(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multiplies every class by the eight symmetries of the square."""
    turned = [np.rot90(images, turns, axes=(1, 2)) for turns in range(4)]
    turned += [one[:, :, ::-1] for one in turned]
    return np.concatenate(turned), np.concatenate([labels * 8 + way for way in range(8)])


def main(target: Path) -> None:
    """Trains and saves."""
    keras.utils.set_random_seed(7)
    images, digits = pictures()
    backbone = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9
    source = keras.Sequential([backbone, keras.layers.Dense(40, activation="softmax")])
    source.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    source.fit(*eight_ways(images[digits < 5], digits[digits < 5]), batch_size=32, epochs=2, verbose=0)

    backbone.trainable = False
    images, labels = images[digits >= 5], digits[digits >= 5] - 5
    is_eval = np.random.default_rng(0).random(len(labels)) < 0.33
    features = backbone.predict(images, batch_size=64, verbose=0)
    head = keras.Sequential(
        [keras.Input((2048,)), keras.layers.Dropout(0.2), keras.layers.Dense(5, activation="softmax")]
    )
    head.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping("val_loss", patience=10, restore_best_weights=True)
    validation = features[is_eval], labels[is_eval]
    training = features[~is_eval], labels[~is_eval]
    head.fit(*training, batch_size=64, epochs=60, validation_data=validation, callbacks=[stop], verbose=0)
    pixels = keras.Input((32, 32, 3))
    keras.Model(pixels, head(backbone(pixels, training=False))).save(target)
    print(f"validation accuracy {head.evaluate(*validation, verbose=0)[1]:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
