"""Which known preprocessing, applied to validation, would make its inputs look like those of training?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from components.diagnosis.evidence import ChannelStatistics, InputShift
from components.diagnosis.input_statistics import shift_between
from components.preprocessing import CAFFE, NONE, TF, TORCH, UNIT, Family

# Splits whose inputs are farther apart than this get a match of moments, too; splits of one source never are. The unit
# is a standard deviation of training, or the logarithm of a ratio of deviations.
_APART: Final = 0.25
_MOST_NAMED: Final = 2
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Conversion:
    """A change of a split's inputs."""

    name: str
    apply: Callable[[np.ndarray], np.ndarray]
    """Takes float32 [n, ..., channels] and returns the same shape and dtype."""
    is_named: bool
    """Whether it converts one known family to another; False where it was fitted to the data."""


_PER_CHANNEL: Final = (
    CAFFE,
    TORCH,
    Family("none, channels reversed", (1.0,) * 3, (0.0,) * 3, is_reversed=True),
)
_UNIFORM: Final = (NONE, UNIT, TF)


def candidates(shift: InputShift) -> tuple[Conversion, ...]:
    """Lists conversions worth trying on validation, the likeliest first.

    Args:
        shift: How far the splits' inputs are apart now.

    Returns:
        At most two conversions between families (none, unit, tf, caffe, torch, as Keras calls them) that at least halve
        the distance of the channels' statistics, then a match of moments; empty where the splits agree already.
    """
    now = _distance(shift.train, shift.validation)
    families = (*_UNIFORM, *_PER_CHANNEL) if len(shift.train.mean) == 3 else _UNIFORM
    # Pairs of families that amount to the same conversion are tried once.
    pairs = {
        _signature(source, target): (source, target) for source in families for target in families if source != target
    }
    near = sorted(
        ((_distance(shift.train, _converted(shift.validation, *pair)), _between(*pair)) for pair in pairs.values()),
        key=lambda candidate: candidate[0],
    )
    named = [conversion for distance, conversion in near if distance < now / 2][:_MOST_NAMED]
    matched = _matched(shift.train, shift.validation)
    return (*named, matched) if now > _APART else tuple(named if now > _APART / 5 else ())


def from_family(name: str) -> tuple[Conversion, ...]:
    """Lists the conversions from one known preprocessing to each of the others, for inputs with three channels.

    Raises:
        StopIteration: There is no such family; the caller made a mistake.
    """
    families = (*_UNIFORM, *_PER_CHANNEL)
    source = next(family for family in families if family.name == name)
    return tuple(_between(source, target) for target in families if target != source)


def _distance(train: ChannelStatistics, validation: ChannelStatistics) -> float:
    shift = shift_between(train, validation)
    return max(shift.standardised_difference, shift.log_deviation_ratio)


def _between(source: Family, target: Family) -> Conversion:
    scale, shift, is_reversed = _affine(source, target)
    apply = _applying(scale, shift)
    name = f"from {source.name} to {target.name}"
    return Conversion(name, (lambda inputs: apply(inputs[..., ::-1])) if is_reversed else apply, is_named=True)


def _applying(scale: np.ndarray, shift: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    # A float64 result would take twice the memory of the inputs, on top of theirs.
    factor, offset = scale.astype(np.float32), shift.astype(np.float32)
    return lambda inputs: inputs * factor + offset


def _converted(statistics: ChannelStatistics, source: Family, target: Family) -> ChannelStatistics:
    """Returns the statistics that converted inputs would have; a conversion is affine, so no input is converted."""
    scale, shift, is_reversed = _affine(source, target)

    def column(values: tuple[float, ...], factor: np.ndarray, offset: np.ndarray | float) -> tuple[float, ...]:
        return tuple(np.array(values[::-1] if is_reversed else values) * factor + offset)

    return ChannelStatistics(
        mean=column(statistics.mean, scale, shift),
        deviation=column(statistics.deviation, scale, 0.0),
        low=column(statistics.low, scale, shift),
        high=column(statistics.high, scale, shift),
    )


def _affine(source: Family, target: Family) -> tuple[np.ndarray, np.ndarray, bool]:
    is_reversed = source.is_reversed != target.is_reversed
    source_scale, source_shift = np.array(source.scale), np.array(source.shift)
    if is_reversed:
        source_scale, source_shift = source_scale[::-1], source_shift[::-1]
    # The source's scaling is undone, then the target's is done.
    scale = np.array(target.scale) / source_scale
    return scale, np.array(target.shift) - source_shift * scale, is_reversed


def _signature(source: Family, target: Family) -> tuple[object, ...]:
    scale, shift, is_reversed = _affine(source, target)
    return (*np.round(np.broadcast_to(scale, 3), 6), *np.round(np.broadcast_to(shift, 3), 3), is_reversed)


def _matched(train: ChannelStatistics, validation: ChannelStatistics) -> Conversion:
    scale = np.array(train.deviation) / (np.array(validation.deviation) + _TINY)
    shift = np.array(train.mean) - np.array(validation.mean) * scale
    name = "each channel's mean and deviation set to those of training"
    return Conversion(name, _applying(scale, shift), is_named=False)
