"""The one place where pixels are scaled."""

from typing import Final

import tensorflow as tf

# Mean of ImageNet's training pictures, blue, green, red: what Caffe's ResNet weights expect subtracted.
_IMAGENET_MEAN_BGR: Final = (103.939, 116.779, 123.68)


def to_resnet50_input(picture: tf.Tensor, image_size: int) -> tf.Tensor:
    """Scales an RGB picture as ResNet50's ImageNet weights expect.

    The picture is stretched to a square: nothing is cropped away, and the aspect ratio stays in the examples'
    `height` and `width`.

    Args:
        picture: uint8 [height, width, 3], 0..255, RGB.
        image_size: Side of the result, in pixels.

    Returns:
        float32 [image_size, image_size, 3], BGR, ImageNet mean subtracted, about -124..152.

    Source: He et al. 2015, arXiv:1512.03385; Keras `resnet50.preprocess_input` ("caffe" mode).
    """
    # Without antialiasing a large photograph is sampled, not averaged, and small changes flicker.
    resized = tf.image.resize(picture, [image_size, image_size], method="bilinear", antialias=True)
    resized = tf.ensure_shape(resized, [image_size, image_size, 3])
    return resized[..., ::-1] - tf.constant(_IMAGENET_MEAN_BGR)
