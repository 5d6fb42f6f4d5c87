"""The inputs and the result of a training."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from components.backbone.freezing import FreezeProof
from components.backbone.kinds import KINDS, Backbone
from components.errors import ArtifactChanged
from components.foreign import json_text
from components.trainer.classifier import build_head
from components.trainer.examples import ExampleReader
from components.trainer.settings import TrainerSettings
from components.trainer.start import Start

# Six images stop the training too early, which costs three points; forty do not (benchmarks/results/stopping.md).
_LEAST_TO_STOP_BY: Final = 20


@dataclass(frozen=True)
class Inputs:
    """The stock Trainer's arguments, resolved."""

    settings: TrainerSettings
    classes: tuple[str, ...]
    image_size: int
    reader: ExampleReader
    train_files: tuple[str, ...]
    stop_files: tuple[str, ...]
    """Of the images that say when to stop; empty where all images are trained on, and for all epochs."""
    weights_dir: Path
    """Holds `backbone.json` and, unless weights are `none`, `backbone.weights.h5`; `warm_start.json` if asked for."""
    work_dir: Path
    """Holds checkpoints and cached features; outlives a killed run."""
    log_dir: str
    """TensorBoard's folder."""

    @property
    def backbone(self) -> dict[str, str]:
        """`backbone.json`: kind, where the weights come from, and their sha256.

        Raises:
            ArtifactChanged: It is not what the step wrote.
        """
        try:
            return json_text.read(self.weights_dir / "backbone.json")
        except (FileNotFoundError, ValueError):
            raise ArtifactChanged(str(self.weights_dir.parent), "backbone.json is not what the step wrote") from None

    @property
    def kind(self) -> Backbone:
        """The network under the head."""
        return KINDS[self.backbone["kind"]]

    def new_head(self) -> keras.Sequential:
        """Builds the head that the settings ask for, with random weights, for this backbone and these classes."""
        return build_head(self.settings.head, self.kind.embedding_size, len(self.classes))

    @property
    def has_stop_images(self) -> bool:
        """Whether there are images that say when to stop."""
        return bool(self.stop_files)

    @property
    def start(self) -> Start | None:
        """The weights that a warm start begins with, or why there are none; None where no warm start was asked for."""
        return Start.read(self.weights_dir)

    @property
    def starts_warm(self) -> bool:
        """Whether the training starts from another model's weights."""
        return self.start is not None and self.start.version is not None

    @property
    def checkpoints(self) -> Path:
        """The folder with the state of a killed run; each set of starting weights has a folder of its own."""
        # On a cluster the champion is known only when the step runs, so no key that the pipeline computes contains it.
        suffix = f"-{self.start.fingerprint[:16]}" if self.start is not None and self.starts_warm else ""
        return self.work_dir / f"checkpoints{suffix}"

    def features_dir(self, split: str, files: Sequence[str], backbone_fingerprint: str) -> Path:
        """Names a split's feature cache after everything the features depend on."""
        digest = hashlib.sha256(f"{backbone_fingerprint}:{self.reader.fingerprint}".encode())
        for file in files:
            digest.update(f"{file}:{tf.io.gfile.stat(file).length}".encode())
        return self.work_dir / "features" / f"{split}-{digest.hexdigest()[:16]}"

    def contract(self, trained: "Trained") -> dict[str, Any]:
        """Returns `frostgate.json`, the facts that travel with the export."""
        return {
            "classes": list(self.classes),
            "image_size": self.image_size,
            "batch_size": trained.batch_size,
            "seed": self.settings.seed,
            "backbone": self.backbone,
            "head": {"hidden_units": self.settings.head.hidden_units},
            "preprocessing": self.kind.family.name,
            "embedding_size": self.kind.embedding_size,
            "loss": trained.loss,
            "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        }

    def history(self, trained: "Trained") -> dict[str, Any]:
        """Returns `history.json`: what training did and, where a warm start was asked for, what it started from."""
        start = self.start
        origin = {"warm_start": {"version": start.version, "sentence": start.sentence}} if start else {}
        return trained.history | origin


@dataclass(frozen=True)
class Trained:
    """A trained classifier and the evidence of how it was trained."""

    model: keras.Model
    """A model from pixels to probabilities, its `trainable` flags as training left them."""
    proof: FreezeProof
    phases: tuple[dict[str, Any], ...]
    """Each phase's part of `history.json`."""
    num_updates: int
    """Training steps of the head, or of all layers where training is from scratch."""
    momentum_lint: str | None
    """A warning where BatchNorm had too few updates, or None."""
    batch_size: int
    """Images or rows a step; BatchNorm's batch statistics depend on it."""
    loss: str = "categorical_crossentropy"
    """The loss by Keras' name."""

    @property
    def history(self) -> dict[str, Any]:
        """What training did, ready for JSON."""
        return {"phases": list(self.phases), "num_updates": self.num_updates, "momentum_lint": self.momentum_lint}


def from_fn_args(fn_args: FnArgs) -> Inputs:
    """Resolves the stock Trainer's arguments.

    Args:
        fn_args: `eval_files` are of the images that say when to stop, which are trained on where they are too few to
            say it; `custom_config` holds `settings` (JSON of
            `TrainerSettings`), `image_size`, `classes`, `work_dir`.
    """
    config, reader = fn_args.custom_config, ExampleReader(fn_args.transform_graph_path)
    train_files, stop_files = _expand(fn_args.train_files), _expand(fn_args.eval_files)
    num_stop = sum(len(labels) for labels in reader.labels(stop_files)) if stop_files else 0
    if num_stop < _LEAST_TO_STOP_BY:
        train_files, stop_files = (*train_files, *stop_files), ()
    return Inputs(
        settings=TrainerSettings.model_validate_json(config["settings"]),
        classes=tuple(config["classes"]),
        image_size=int(config["image_size"]),
        reader=reader,
        train_files=train_files,
        stop_files=stop_files,
        weights_dir=Path(fn_args.base_model),
        work_dir=Path(config["work_dir"]),
        log_dir=fn_args.model_run_dir,
    )


def _expand(patterns: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern)))
