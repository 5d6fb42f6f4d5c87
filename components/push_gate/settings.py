"""The gate's thresholds; the defaults and their reasons are in docs/gate.md."""

from pydantic import Field

from components.settings import Settings


class GateSettings(Settings):
    """When a model is refused."""

    max_mode_gap: float = Field(0.05, ge=0, le=1)
    """G1: largest accepted lower bound of A - B (training mode against inference mode)."""
    min_margin_over_chance: float = Field(0.05, ge=0, le=1)
    """G2: validation accuracy must exceed the majority share by this much."""
    max_generalisation_gap: float = Field(0.10, ge=0, le=1)
    """G3: largest accepted lower bound of max(A, B) - C."""
    hold_generalisation_gap: float = Field(0.20, ge=0, le=1)
    """HOLD: a gap whose upper bound exceeds this is for a human to decide."""
    hold_class_accuracy: float = Field(0.20, ge=0, le=1)
    """HOLD: a class of which surely fewer validation images are right than this is as good as never predicted."""
    max_drop_against_champion: float = Field(0.02, ge=0, le=1)
    """G4: largest accepted lower bound of the accuracy lost against the registry's champion."""
    max_reordering_gain: float = Field(0.1, ge=0, le=1)
    """G4: largest accepted lower bound of what the champion would gain on these images from another order of the
    classes."""
    min_first_accuracy: float = Field(0.5, ge=0, le=1)
    """G4: validation accuracy must reach this, with a champion and without one."""
    max_top_share: float = Field(0.9, gt=0, le=1)
    """G5: a class predicted for this share of validation (or majority share + 0.3, if larger) is a collapse."""
    min_eval_examples: int = Field(200, ge=1)
    """HOLD: fewer validation examples cannot decide."""
    min_slice_examples: int = Field(5, ge=1)
    """G3 by slice is judged only where a slice has this many validation examples."""
    max_train_examples: int = Field(20_000, ge=200)
    """A and B are measured on at most this many training examples, the first by content hash."""
    bootstrap_samples: int = Field(2_000, ge=200)
    """Resamples of the paired bootstrap against the champion."""
