"""The one place where pixels are scaled."""

import tensorflow as tf

from components.preprocessing import Family


def to_input(picture: tf.Tensor, image_size: int, family: Family) -> tf.Tensor:
    """Scales an RGB picture as a backbone's weights expect.

    The picture is stretched to a square: nothing is cropped away, and the aspect ratio stays in the examples'
    `height` and `width`.

    Args:
        picture: uint8 [height, width, 3], 0..255, RGB.
        image_size: Side of the result, in pixels.
        family: What the weights expect.

    Returns:
        float32 [image_size, image_size, 3], in the family's range and order of channels.
    """
    # Without antialiasing a large photograph is sampled, not averaged, and a small change of it can change a lot.
    resized = tf.image.resize(picture, [image_size, image_size], method="bilinear", antialias=True)
    return family.apply(tf.ensure_shape(resized, [image_size, image_size, 3]))
