"""From pictures to what a model takes: the families of Keras' applications."""

from collections.abc import Callable
from typing import Final, Literal, get_args

import keras
import numpy as np

Family = Literal["none", "unit", "tf", "caffe", "torch"]
FAMILIES: Final[tuple[Family, ...]] = get_args(Family)


def preprocess(pictures: np.ndarray, family: Family) -> np.ndarray:
    """Scales pictures.

    Args:
        pictures: float32 [n, height, width, 3], RGB, 0..255.
        family: none: as they are, for models that scale inside; unit: 0..1; tf: -1..1 (ResNet50V2, MobileNetV2,
            Xception, Inception); caffe: BGR less ImageNet's mean (ResNet50, VGG); torch: 0..1, then standardised by
            ImageNet's channels (DenseNet).

    Returns:
        float32, the same shape.

    Source: keras.applications.imagenet_utils.preprocess_input.
    """
    if family == "none":
        return pictures
    if family == "unit":
        return pictures / np.float32(255)
    # It writes into what it is given.
    return keras.applications.imagenet_utils.preprocess_input(pictures.copy(), mode=family)


def guess(pictures: np.ndarray, right: Callable[[np.ndarray], float]) -> Family:
    """Finds the family under which a model gets the most training pictures right; the first of equals.

    Args:
        pictures: float32 [n, height, width, 3], RGB, 0..255: a sample of the training split.
        right: Inputs to a score, the higher the more are right.
    """
    return max(FAMILIES, key=lambda family: right(preprocess(pictures, family)))
