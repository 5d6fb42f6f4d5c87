"""Scales pictures to a network's input and back, in the ways that Keras' applications do; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np


@dataclass(frozen=True)
class Family:
    """One way from RGB 0..255 to a network's input: channels reversed or not, then `values * scale + shift`.

    Source: keras.applications.imagenet_utils.preprocess_input.
    """

    name: str
    scale: tuple[float, ...]
    """One number, or one for each channel of the result."""
    shift: tuple[float, ...]
    """As many numbers as `scale` has."""
    is_reversed: bool = False
    """Whether the channels become blue, green, red."""

    def apply(self, pictures: Any) -> Any:
        """Scales pictures, NumPy's or TensorFlow's float32 [..., 3], RGB, 0..255; returns the same shape and dtype."""
        channels = pictures[..., ::-1] if self.is_reversed else pictures
        return channels * _float32(self.scale) + _float32(self.shift)

    @property
    def inverse(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Scale and shift from a network's inputs back to 0..255, in the order of its channels."""
        shift = tuple(-offset / factor for offset, factor in zip(self.shift, self.scale, strict=True))
        return tuple(1 / factor for factor in self.scale), shift

    def undo(self, inputs: Any) -> Any:
        """Reverses `apply`: makes RGB pictures, 0..255, of a network's inputs float32 [..., 3], in the same shape."""
        scale, shift = self.inverse
        channels = inputs * _float32(scale) + _float32(shift)
        return channels[..., ::-1] if self.is_reversed else channels


def _float32(values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, np.float32)


_IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION: Final = (0.229, 0.224, 0.225)

# Networks that scale pixels themselves.
NONE: Final = Family("none", (1.0,), (0.0,))
UNIT: Final = Family("unit", (1 / 255,), (0.0,))
# ResNet50V2, MobileNets, Xception, Inception.
TF: Final = Family("tf", (1 / 127.5,), (-1.0,))
# ResNet50, VGG: the mean of ImageNet's training pictures is subtracted; channels are blue, green, red.
CAFFE: Final = Family("caffe", (1.0,) * 3, (-103.939, -116.779, -123.68), is_reversed=True)
# DenseNet, EfficientNetV2, ConvNeXt.
TORCH: Final = Family(
    "torch",
    tuple(1 / (255 * deviation) for deviation in _IMAGENET_DEVIATION),
    tuple(-mean / deviation for mean, deviation in zip(_IMAGENET_MEAN, _IMAGENET_DEVIATION, strict=True)),
)
FAMILIES: Final[Mapping[str, Family]] = {family.name: family for family in (NONE, UNIT, TF, CAFFE, TORCH)}
