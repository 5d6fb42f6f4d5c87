"""Which known preprocessing, applied to validation, would make its inputs look like those of training?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from components.diagnosis.evidence import ChannelStatistics, InputShift
from components.diagnosis.input_statistics import shift_between
from components.preprocessing import CAFFE, NONE, TF, TORCH, UNIT, Family

# In training deviations, and in logarithms of a ratio: splits of one source stay below either.
_APART: Final = 0.25
_MOST_NAMED: Final = 2
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Conversion:
    """A change of inputs."""

    name: str
    apply: Callable[[np.ndarray], np.ndarray]
    """float32 [n, ..., channels] to the same."""
    is_named: bool
    """Whether it leads from one known family to another, and is not fitted."""


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
        At most two conversions between families (none, unit, tf, caffe, torch, as Keras calls them) that bring the
        channels' statistics at least twice as near, then a match of moments; empty where the splits agree already.
    """
    now = _distance(shift.train, shift.validation)
    families = (*_UNIFORM, *_PER_CHANNEL) if len(shift.train.mean) == 3 else _UNIFORM
    named = {_signature(one, other): (one, other) for one in families for other in families if one != other}
    near = sorted(
        ((_distance(shift.train, _converted(shift.validation, *pair)), _between(*pair)) for pair in named.values()),
        key=lambda found: found[0],
    )
    found = [each for distance, each in near if distance < now / 2][:_MOST_NAMED]
    matched = _matched(shift.train, shift.validation)
    return (*found, matched) if now > _APART else tuple(found if now > _APART / 5 else ())


def from_family(name: str) -> tuple[Conversion, ...]:
    """Lists the conversions from one known preprocessing to each of the others, for inputs with three channels.

    Raises:
        StopIteration: There is no such family; that is a mistake of the caller.
    """
    families = (*_UNIFORM, *_PER_CHANNEL)
    known = next(one for one in families if one.name == name)
    return tuple(_between(known, other) for other in families if other != known)


def _distance(ours: ChannelStatistics, theirs: ChannelStatistics) -> float:
    shift = shift_between(ours, theirs)
    return max(shift.standardised_difference, shift.log_deviation_ratio)


def _between(theirs: Family, ours: Family) -> Conversion:
    scale, shift, is_reversed = _affine(theirs, ours)
    apply = _applying(scale, shift)
    name = f"from {theirs.name} to {ours.name}"
    return Conversion(name, (lambda inputs: apply(inputs[..., ::-1])) if is_reversed else apply, is_named=True)


def _applying(scale: np.ndarray, shift: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    # In float64 a split of pictures would be held three times over.
    by, plus = scale.astype(np.float32), shift.astype(np.float32)
    return lambda inputs: inputs * by + plus


def _converted(given: ChannelStatistics, theirs: Family, ours: Family) -> ChannelStatistics:
    """What a conversion makes of the statistics: it is affine, so the inputs need not be converted to know."""
    scale, shift, is_reversed = _affine(theirs, ours)

    def column(values: tuple[float, ...], by: np.ndarray, plus: np.ndarray | float) -> tuple[float, ...]:
        return tuple(np.array(values[::-1] if is_reversed else values) * by + plus)

    return ChannelStatistics(
        mean=column(given.mean, scale, shift),
        deviation=column(given.deviation, scale, 0.0),
        low=column(given.low, scale, shift),
        high=column(given.high, scale, shift),
    )


def _affine(theirs: Family, ours: Family) -> tuple[np.ndarray, np.ndarray, bool]:
    is_reversed = theirs.is_reversed != ours.is_reversed
    one, other = np.array(theirs.scale), np.array(theirs.shift)
    if is_reversed:
        one, other = one[::-1], other[::-1]
    # Undo theirs, then do ours.
    scale = np.array(ours.scale) / one
    return scale, np.array(ours.shift) - other * scale, is_reversed


def _signature(theirs: Family, ours: Family) -> tuple[object, ...]:
    scale, shift, is_reversed = _affine(theirs, ours)
    return (*np.round(np.broadcast_to(scale, 3), 6), *np.round(np.broadcast_to(shift, 3), 3), is_reversed)


def _matched(ours: ChannelStatistics, theirs: ChannelStatistics) -> Conversion:
    scale = np.array(ours.deviation) / (np.array(theirs.deviation) + _TINY)
    shift = np.array(ours.mean) - np.array(theirs.mean) * scale
    name = "each channel's mean and deviation set to those of training"
    return Conversion(name, _applying(scale, shift), is_named=False)
