"""Pretraining on a source task, for machines that cannot fetch ImageNet weights."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import absl.logging
import keras
import tensorflow as tf

from components import whole_files
from components.backbone.kinds import KINDS
from components.backbone.seeding import make_deterministic
from components.backbone.settings import BackboneSettings, PretrainSettings
from components.errors import DataRefused
from components.ingest import storage
from components.preprocessing import Family
from components.transform.decoding import decode_image, upright
from components.transform.scaling import to_input


def pretrain(source_dir: str, wanted: BackboneSettings, image_size: int, seed: int, target: Path) -> None:
    """Trains a backbone from scratch on a source task and keeps its weights.

    Every class is multiplied by its orientations: telling which way up a picture is teaches the backbone more than
    the labels of a small source task alone.

    Args:
        source_dir: Class-per-folder tree of JPEG, PNG or GIF files.
        wanted: Which kind, how long and how fast.
        image_size: Side of the input, in pixels.
        seed: Seeds weights and order.
        target: `.weights.h5` file to write; complete or absent.
    """
    make_deterministic(seed)
    paths, labels, num_classes = list_images(source_dir)
    kind, settings = KINDS[wanted.kind], wanted.pretrain
    backbone = kind.build(image_size, settings.momentum)
    classifier = keras.layers.Dense(num_classes * settings.orientations, activation="softmax", name="source_task")
    model = keras.Sequential([backbone, classifier])
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    dataset = oriented_dataset(paths, labels, settings, image_size, seed, kind.family)
    try:
        model.fit(dataset, epochs=settings.epochs, verbose=2)
    except tf.errors.InvalidArgumentError:
        _refuse_what_is_no_picture(paths)
        raise
    keep(backbone, target)


def keep(backbone: keras.Model, target: Path) -> None:
    """Writes weights to a `.weights.h5` file, complete or absent, and their hash beside it for `is_whole`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"unfinished-{os.getpid()}-{target.name}")
    backbone.save_weights(unfinished)
    # The hash goes first: weights that lie there without one would be made again.
    whole_files.write_text(_digest_file(target), whole_files.sha256_of(unfinished))
    whole_files.put(unfinished, target)


def is_whole(target: Path) -> bool:
    """Returns whether the pretrained weights are as they were written; logs a warning where they are damaged."""
    if not target.exists():
        return False
    with contextlib.suppress(OSError):
        if _digest_file(target).read_text(errors="replace") == whole_files.sha256_of(target):
            return True
    absl.logging.warning("%s is not what was written and counts as absent; the backbone is pretrained again.", target)
    return False


def _digest_file(target: Path) -> Path:
    return target.with_suffix(".sha256")


def list_images(source_dir: str) -> tuple[list[str], list[int], int]:
    """Lists a class-per-folder tree.

    Returns:
        Paths, class indices in the order of the sorted folder names, and the number of classes.

    Raises:
        DataRefused: There are fewer than two class folders, or no files.
    """
    files, root = storage.filesystem(source_dir)
    if not files.isdir(root) or storage.with_protocol(files, root) != root:
        raise DataRefused(f"backbone.pretrain.data_uri must be a folder of this machine; {source_dir} is none.")
    stamps, _ = storage.walk(files, root)
    places = [(Path(stamp.path).relative_to(root).parts, stamp.path) for stamp in stamps]
    images = sorted((parts[0], path) for parts, path in places if len(parts) > 1)
    classes = sorted({name for name, _ in images})
    if len(classes) < 2:
        raise DataRefused(
            f"backbone.pretrain.data_uri must be a folder with two or more class folders; {source_dir} is not."
        )
    return [path for _, path in images], [classes.index(name) for name, _ in images], len(classes)


def _refuse_what_is_no_picture(paths: Sequence[str]) -> None:
    for path in paths:
        try:
            decode_image(tf.io.read_file(path))
        except tf.errors.OpError as error:
            raise DataRefused(
                f"backbone.pretrain.data_uri must hold JPEG, PNG or GIF files alone; {path} is none. Remove it."
            ) from error


def oriented_dataset(
    paths: Sequence[str], labels: Sequence[int], settings: PretrainSettings, image_size: int, seed: int, family: Family
) -> tf.data.Dataset:
    """Streams every picture in every orientation, reshuffled each epoch.

    Args:
        paths: The pictures' files.
        labels: Their class indices.
        settings: Number of orientations and batch size.
        image_size: Side of the result, in pixels.
        seed: Seed of the order.
        family: How pixels are scaled.

    Returns:
        Batches of float32 [batch, image_size, image_size, 3] and int32 [batch].
    """
    pictures = tf.data.Dataset.from_tensor_slices((list(paths), list(labels)))
    turns = tf.data.Dataset.range(settings.orientations, output_type=tf.int32)
    pairs = pictures.flat_map(lambda path, label: turns.map(lambda turn: (path, label, turn)))
    num_pairs = len(paths) * settings.orientations

    @tf.autograph.experimental.do_not_convert
    def load(path: tf.Tensor, label: tf.Tensor, turn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # The eight EXIF orientations are the eight symmetries of the square.
        picture = upright(decode_image(tf.io.read_file(path)), turn + 1)
        return to_input(picture, image_size, family), label * settings.orientations + turn

    return (
        pairs.shuffle(min(num_pairs, 100_000), seed=seed)
        .map(load, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(settings.batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )
