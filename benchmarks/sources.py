"""Pictures to train small classifiers on: scikit-learn's digits, and real ones where they lie beside the checkout."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.copies.families import in_archive, real_pictures

Data = tuple[np.ndarray, np.ndarray]
"""RGB 0..255, float32 [n, side, side, 3], and labels int64 [n]."""

CONVNETS: Final = ("batch_norm", "no_norm", "group_norm", "head_batch_norm")
# CIFAR-10 has 50,000; so many are drawn from, the first by name of each class.
_OF_A_CLASS: Final = 2_000


@dataclass(frozen=True)
class Source:
    """What a seed draws its pictures from.

    Attributes:
        architectures: Those that learn these pictures, of which every defect takes its own in turn.
        num_validation: Sizes of validation to draw from, for convnets and for heads on backbones.
        num_train: The least and the most, for convnets and for heads.
        epochs: Of convnets, and of heads, which train on cached features.
        batch_size: Of training.
        decays: Whether the learning rate does. Where it does not, the last updates may move weights so far that
            BatchNorm's statistics are left behind, and such a model is not healthy.
        momenta: Of BatchNorm whose statistics have not converged when these pictures have been seen.
    """

    architectures: tuple[str, ...]
    num_validation: Mapping[bool, tuple[int, ...]]
    num_train: Mapping[bool, tuple[int, int]]
    epochs: Mapping[bool, int] = field(default_factory=lambda: {False: 8, True: 40})
    batch_size: int = 32
    decays: bool = False
    momenta: tuple[float, ...] = (0.99, 0.999)


SOURCES: Final = {
    # The gate asks for 200 of distinct content, and of a hundred pictures one may look like another by chance.
    "digits": Source(
        (*CONVNETS, "mobilenet_v2", "resnet50"),
        num_validation={False: (220, 400, 600), True: (220, 400)},
        num_train={False: (500, 1_000), True: (400, 1_000)},
    ),
    # A convnet that is to know these half as well needs many more. With half as many, seen five times, those with
    # BatchNorm overfit by 6 to 9 points, and 4 of 203 were rightly blocked.
    "cifar10": Source(
        CONVNETS,
        num_validation={False: (220, 400, 600)},
        num_train={False: (8_000, 16_000)},
        epochs={False: 3},
        batch_size=64,
        decays=True,
        momenta=(0.999, 0.9999),
    ),
    "photographs": Source(
        ("small_net",), num_validation={True: (220, 350)}, num_train={True: (350, 1_000)}, epochs={True: 30}
    ),
}


def load(source: str, side: int, for_heads: bool) -> Data:
    """Loads all that a seed draws from.

    Args:
        source: A key of SOURCES.
        side: 16, 32 or 64.
        for_heads: Leaves out what the backbones have learnt.

    Raises:
        FileNotFoundError: The pictures are not there.
    """
    if source != "digits":
        return _archive({"cifar10": "cifar10-train.tar.gz", "photographs": "photos-food.tar"}[source], side)
    pictures, labels = digits(side)
    return (pictures[labels >= 5], labels[labels >= 5] - 5) if for_heads else (pictures, labels)


@cache
def digits(side: int) -> Data:
    """Loads the ten digits, tinted."""
    data = load_digits()
    times = side // 8
    grey = np.kron(data.images, np.ones((times, times))) * (255 / 16)
    # Three colours, so that channels can be told apart.
    pictures = grey[..., None] * np.array([1.0, 0.8, 0.6])
    return pictures.astype(np.float32), data.target.astype(np.int64)


@cache
def _archive(name: str, side: int) -> Data:
    path = real_pictures(name)
    if path is None:
        raise FileNotFoundError(f"{name} must lie in the folder that FROSTGATE_REAL_PICTURES names; it does not.")
    chosen: dict[str, int] = {}

    def choose(names: list[str]) -> list[str]:
        by_class: dict[str, list[str]] = {}
        for name in names:
            by_class.setdefault(PurePosixPath(name).parent.name, []).append(name)
        for label, one in enumerate(sorted(by_class)):
            chosen.update(dict.fromkeys(by_class[one][:_OF_A_CLASS], label))
        return list(chosen)

    pictures, labels = [], []
    for name, picture in in_archive(path, choose):
        pictures.append(np.asarray(picture.resize((side, side), Image.Resampling.BOX), np.float32))
        labels.append(chosen[name])
    # In the archive they are sorted by class; a seed draws in an order of its own.
    return np.stack(pictures), np.array(labels, np.int64)
