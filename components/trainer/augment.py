"""Random changes to training images; evaluation and serving never see them."""

from collections.abc import Callable

import tensorflow as tf

from components.preprocessing import Family
from components.trainer.settings import AugmentSettings


def augmentation(settings: AugmentSettings, family: Family) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None:
    """Builds the configured augmentation, or None when nothing is asked for.

    Args:
        settings: Which changes, and how strong.
        family: How the pixels were scaled for the network; brightness moves by a share of what black and white span.

    Returns:
        A function of pixels float32 [batch, size, size, 3] and a seed int32 [2] that returns changed pixels; the same
        seed gives the same change.
    """
    if not (settings.flip or settings.crop or settings.colour):
        return None

    def augment(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seeds = tf.random.experimental.stateless_split(seed, 3)
        if settings.flip:
            pixels = _flip(pixels, seeds[0])
        if settings.crop:
            pixels = _crop(pixels, seeds[1], settings.crop)
        if settings.colour:
            pixels = _colour(pixels, seeds[2], settings.colour, family)
        return pixels

    return augment


def _flip(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    mirrored = tf.random.stateless_uniform([tf.shape(pixels)[0], 1, 1, 1], seed) < 0.5
    return tf.where(mirrored, pixels[:, :, ::-1], pixels)


def _crop(pixels: tf.Tensor, seed: tf.Tensor, largest: float) -> tf.Tensor:
    count, size = tf.shape(pixels)[0], pixels.shape[1]
    removed = tf.random.stateless_uniform([count, 2], seed, maxval=largest)
    offset = removed * tf.random.stateless_uniform([count, 2], seed + 1)
    boxes = tf.concat([offset, offset + 1.0 - removed], axis=1)
    return tf.image.crop_and_resize(pixels, boxes, tf.range(count), [size, size])


def _colour(pixels: tf.Tensor, seed: tf.Tensor, strength: float, family: Family) -> tf.Tensor:
    count = tf.shape(pixels)[0]
    contrast = tf.random.stateless_uniform([count, 1, 1, 1], seed, 1 - strength, 1 + strength)
    share = tf.random.stateless_uniform([count, 1, 1, 1], seed + 1, -strength / 2, strength / 2)
    brightness = 255.0 * share * tf.constant(family.scale)
    mean = tf.reduce_mean(pixels, axis=[1, 2], keepdims=True)
    return (pixels - mean) * contrast + mean + brightness
