"""What a training starts from beside the backbone: a registered model's weights, or the reason why there are none."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, Self

import keras

from components.backbone import freezing, kinds, weights

START_FILE: Final = "warm_start.json"
HEAD_FILE: Final = "head.weights.h5"
# Absent where the model's backbone is the source backbone.
BACKBONE_FILE: Final = "champion.weights.h5"


@dataclass(frozen=True)
class Start:
    """Where a training that asked for a start begins."""

    version: str | None
    """The registered version whose weights it starts from; None: cold, as if it had not asked."""
    sentence: str
    """The same for people."""
    fingerprint: str = ""
    """Of the weights: a half-finished training from others must not be continued. Empty when cold."""
    num_updates: int = 0
    """Steps that the weights have behind them."""

    @classmethod
    def cold(cls, reason: str) -> Self:
        """There is nothing that fits, for a reason."""
        return cls(None, f"The training started cold: {reason}.")

    @classmethod
    def warm(cls, version: str, fingerprint: str, num_updates: int) -> Self:
        """A version's weights fit."""
        return cls(version, f"The training started from the weights of version {version}.", fingerprint, num_updates)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Reads what `write` wrote; None where nobody asked for a start."""
        path = folder / START_FILE
        return cls(**json.loads(path.read_bytes())) if path.exists() else None

    def write(self, folder: Path) -> None:
        """Writes `warm_start.json`."""
        (folder / START_FILE).write_text(json.dumps(asdict(self), indent=2))


def load_head(folder: Path, head: keras.Model) -> None:
    """Gives a head the weights that the training starts from."""
    weights.load_strictly(head, folder / HEAD_FILE)


def load_trained(folder: Path, backbone: keras.Model, blocks: int | Literal["all"]) -> None:
    """Gives the backbone's layers that are about to be trained the weights to start from, and leaves all others.

    Args:
        folder: With the files.
        backbone: With the source's weights.
        blocks: What is trained, as `freezing.unfreeze_top` counts.
    """
    if (folder / BACKBONE_FILE).exists():
        other = kinds.of(backbone).build(backbone.input_shape[1])
        weights.load(other, folder / BACKBONE_FILE)
        mine, theirs = (freezing.trained_variables(model, blocks) for model in (backbone, other))
        for variable, value in zip(mine, theirs, strict=True):
            variable.assign(value.numpy())


def load_whole(folder: Path, backbone: keras.Model) -> None:
    """Gives a backbone that is trained from scratch all weights and moving statistics to start from."""
    weights.load(backbone, folder / BACKBONE_FILE)
