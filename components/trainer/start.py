"""The start of a training for which a warm start was asked: a registered model's weights, or why there are none."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, Self

import keras

from components.backbone import freezing, kinds, weights
from components.foreign import json_text

START_FILE: Final = "warm_start.json"
HEAD_FILE: Final = "head.weights.h5"
# This file is absent where the registered model's backbone equals the source backbone.
BACKBONE_FILE: Final = "champion.weights.h5"


@dataclass(frozen=True)
class Start:
    """Where a training begins for which a warm start was asked."""

    version: str | None
    """The registered version whose weights it starts from; None for a cold start."""
    sentence: str
    """The same as a sentence for people."""
    fingerprint: str = ""
    """Fingerprint of these weights; only a training that began with them is continued. Empty for a cold start."""
    num_updates: int = 0
    """The number of training steps behind these weights."""

    @classmethod
    def cold(cls, reason: str) -> Self:
        """Returns a cold start; the reason is a clause that ends its sentence."""
        return cls(None, f"The training started cold: {reason}.")

    @classmethod
    def warm(cls, version: str, fingerprint: str, num_updates: int) -> Self:
        """Returns a start from a registered version's weights."""
        return cls(version, f"The training started from the weights of version {version}.", fingerprint, num_updates)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Reads `warm_start.json`; None where no warm start was asked for."""
        path = folder / START_FILE
        return cls(**json_text.read(path)) if path.exists() else None

    def write(self, folder: Path) -> None:
        """Writes `warm_start.json`."""
        (folder / START_FILE).write_text(json.dumps(asdict(self), indent=2))


def load_head(folder: Path, head: keras.Model) -> None:
    """Loads the registered model's weights into a head."""
    weights.load_strictly(head, folder / HEAD_FILE)


def load_trained(folder: Path, backbone: keras.Model, blocks: int | Literal["all"]) -> None:
    """Loads the registered model's weights into the backbone's layers that are about to be trained, and into no others.

    Args:
        folder: The folder with the weights files.
        backbone: The backbone with the source's weights.
        blocks: How many blocks are trained, as `freezing.unfreeze_top` counts them.
    """
    if (folder / BACKBONE_FILE).exists():
        registered = kinds.of(backbone).build(backbone.input_shape[1])
        weights.load(registered, folder / BACKBONE_FILE)
        targets, sources = (freezing.trained_variables(model, blocks) for model in (backbone, registered))
        for target, source in zip(targets, sources, strict=True):
            target.assign(source.numpy())


def load_whole(folder: Path, backbone: keras.Model) -> None:
    """Loads all of the registered model's backbone, moving statistics included, for a training from scratch."""
    weights.load(backbone, folder / BACKBONE_FILE)
