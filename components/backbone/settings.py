"""The settings of the backbone and its weights."""

from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from components.backbone.kinds import KINDS
from components.ingest.settings import EMBEDDED_SOURCE_DIGITS
from components.settings import Settings

NAMED_WEIGHTS: Final = ("pretrain", "imagenet", "none")
"""What `BackboneSettings.weights` may be beside a file."""


class PretrainSettings(Settings):
    """Pretraining on a source task, for machines without a network."""

    data_uri: str = EMBEDDED_SOURCE_DIGITS
    """Class-per-folder tree of the source task."""
    orientations: int = Field(8, ge=1, le=8)
    """Every class is multiplied by this many flips and quarter turns, each a class of its own."""
    epochs: int = Field(2, ge=1)
    """Passes over the source task."""
    batch_size: int = Field(32, ge=1)
    """Images a step."""
    learning_rate: float = Field(1e-3, gt=0)
    """Adam's step size."""
    momentum: float = Field(0.9, gt=0, lt=1)
    """BatchNorm momentum while pretraining; 0.99 needs 500 updates to forget its start."""


if TYPE_CHECKING:
    BackboneKind = str
else:
    BackboneKind = Literal[tuple(KINDS)]


class BackboneSettings(Settings):
    """Which network makes features of pixels, and where its weights come from."""

    kind: BackboneKind = "resnet50"
    """The network. `resnet8` trains in seconds at 32 pixels: for first tries and tests."""
    weights: str = "pretrain"
    """`pretrain`, `imagenet`, `none` (from scratch), or a path or uri of a `.weights.h5`, `.h5` or `.keras` file."""
    sha256: str = ""
    """Expected hash of a weights file of one's own; a mismatch stops the run."""
    pretrain: PretrainSettings = PretrainSettings()
    """Used when `weights` is `pretrain`."""
