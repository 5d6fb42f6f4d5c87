"""Freezing that holds in Keras 3, and the proof that it held.

Keras' flags are not to be trusted: unfreezing a backbone that was called with `training=False` runs its BatchNorm on
batch statistics, unfreezing in the wrong order is a silent no-op, and nothing counts until the model is recompiled.
So the flags are set in the one order that holds, and the outcome is measured.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict

from components.backbone import kinds
from components.backbone.layers import batch_norm_layers
from components.backbone.modes import fingerprint, nothing_random, unchanged

# The largest difference between the modes that counts as rounding. A frozen backbone runs the same operations in both
# modes, in the same order; every measured run had 0.
_ROUNDING: Final = 1e-5


class FreezeProof(BaseModel):
    """What was frozen, and whether it stayed so."""

    model_config = ConfigDict(frozen=True)

    passed: bool
    findings: tuple[str, ...]
    """One clause for each way in which the outcome is not as configured; empty where it passed."""
    expected_trainable_weights: int
    trainable_weights: int
    num_frozen_weights: int
    num_batch_norm_layers: int
    frozen_before: str
    """Fingerprint of the frozen variables before training; empty where nothing was frozen."""
    frozen_after: str
    """The same after training."""
    mode_difference: float | None
    """Largest absolute difference of an output between the two modes; None where BatchNorm is meant to train."""


def freeze(backbone: keras.Model) -> None:
    """Freezes every layer; BatchNorm then normalises as in serving, in either mode."""
    backbone.trainable = False


def unfreeze_top(backbone: keras.Model, blocks: int | Literal["all"]) -> None:
    """Makes the last blocks trainable and keeps every BatchNorm layer frozen; the caller must recompile the model.

    Args:
        backbone: A network of one of the kinds.
        blocks: How many blocks, counted from the output, or `all` for every block and the stem.
    """
    # Setting True passes it on to the layers only where the model was False before.
    backbone.trainable = False
    backbone.trainable = True
    chosen = set(map(id, _trained_layers(backbone, blocks)))
    for layer in backbone.layers:
        layer.trainable = id(layer) in chosen


def expected_trainable_weights(backbone: keras.Model, blocks: int | Literal["all"]) -> int:
    """Counts kernels and biases that `unfreeze_top(backbone, blocks)` must leave trainable, from names alone."""
    return len(trained_variables(backbone, blocks))


def trained_variables(backbone: keras.Model, blocks: int | Literal["all"]) -> list[Any]:
    """Returns the kernels and biases that `unfreeze_top(backbone, blocks)` must leave trainable, whatever the flags."""
    return [weight for layer in _trained_layers(backbone, blocks) for weight in layer.weights]


def frozen_variables(backbone: keras.Model, blocks: int | Literal["all"]) -> list[Any]:
    """Returns every weight and moving statistic that training must not touch, whatever the flags."""
    trained = {id(variable) for variable in trained_variables(backbone, blocks)}
    return [weight for weight in backbone.weights if id(weight) not in trained]


def _trained_layers(backbone: keras.Model, blocks: int | Literal["all"]) -> list[keras.layers.Layer]:
    layers = backbone.layers if blocks == "all" else kinds.of(backbone).top_blocks(backbone, blocks)
    return [layer for layer in layers if not isinstance(layer, keras.layers.BatchNormalization)]


def mode_difference(model: keras.Model, pixels: np.ndarray) -> float:
    """Measures how far training mode is from inference mode on the same batch.

    Args:
        model: Any Keras model; its variables are restored afterwards.
        pixels: float32 [batch, ...], the model's input.

    Returns:
        The largest absolute difference of an output; 0 up to rounding where nothing normalises by batch.
    """
    with unchanged(model), nothing_random(model):
        training = np.asarray(model(pixels, training=True))
    return float(np.max(np.abs(training - np.asarray(model(pixels, training=False)))))


def prove(
    backbone: keras.Model,
    blocks: int | Literal["all"],
    frozen_before: str,
    frozen_now: Iterable[Any],
    difference: float,
) -> FreezeProof:
    """Compares what the configuration asked to be frozen with what training left.

    Args:
        backbone: The trained backbone, its `trainable` flags as training left them.
        blocks: What the configuration asked to be trained.
        frozen_before: Fingerprint of the frozen variables before training.
        frozen_now: The same variables, after training.
        difference: `mode_difference` of the whole model.
    """
    frozen = list(frozen_now)
    frozen_after = fingerprint(frozen)
    expected = expected_trainable_weights(backbone, blocks)
    trainable = len(backbone.trainable_weights)
    findings = []
    if frozen_after != frozen_before:
        findings.append(f"frozen weights changed: fingerprint {frozen_before[:12]} before, {frozen_after[:12]} after")
    if trainable != expected:
        findings.append(f"{trainable} backbone weights are trainable; the configuration asks for {expected}")
    if not difference <= _ROUNDING:
        findings.append(f"training and inference mode differ by {difference:.3g}; rounding is {_ROUNDING:.3g}")
    return FreezeProof(
        passed=not findings,
        findings=tuple(findings),
        expected_trainable_weights=expected,
        trainable_weights=trainable,
        num_frozen_weights=len(frozen),
        num_batch_norm_layers=sum(1 for _ in batch_norm_layers(backbone)),
        frozen_before=frozen_before,
        frozen_after=frozen_after,
        mode_difference=difference,
    )


def prove_nothing_frozen(backbone: keras.Model) -> FreezeProof:
    """Proves of a backbone trained from scratch that every weight but the moving statistics is trainable."""
    # BatchNorm trains its scale and its offset.
    expected = sum(
        2 if isinstance(layer, keras.layers.BatchNormalization) else len(layer.weights) for layer in backbone.layers
    )
    trainable = len(backbone.trainable_weights)
    finding = f"{trainable} backbone weights are trainable; training from scratch needs {expected}"
    return FreezeProof(
        passed=trainable == expected,
        findings=() if trainable == expected else (finding,),
        expected_trainable_weights=expected,
        trainable_weights=trainable,
        num_frozen_weights=0,
        num_batch_norm_layers=sum(1 for _ in batch_norm_layers(backbone)),
        frozen_before="",
        frozen_after="",
        mode_difference=None,
    )
