"""Which known preprocessing, applied to validation, would make its inputs look like those of training?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from components.diagnosis.evidence import ChannelStatistics
from components.diagnosis.input_statistics import channel_statistics, shift_between

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


@dataclass(frozen=True)
class _Family:
    """From RGB 0..255: channels reversed or not, then `values * scale + shift`."""

    name: str
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    is_reversed: bool = False


_PER_CHANNEL: Final = (
    _Family("caffe", (1.0,) * 3, (-103.939, -116.779, -123.68), is_reversed=True),
    _Family("torch", tuple(1 / (255 * one) for one in (0.229, 0.224, 0.225)), (-2.1179, -2.0357, -1.8044)),
    _Family("none, channels reversed", (1.0,) * 3, (0.0,) * 3, is_reversed=True),
)
_UNIFORM: Final = (
    _Family("none", (1.0,), (0.0,)),
    _Family("unit", (1 / 255,), (0.0,)),
    _Family("tf", (1 / 127.5,), (-1.0,)),
)


def candidates(train: np.ndarray, validation: np.ndarray) -> tuple[Conversion, ...]:
    """Lists conversions worth trying, the likeliest first.

    Args:
        train: float32 [n, ..., channels].
        validation: float32 [m, ..., channels].

    Returns:
        At most two conversions between families (none, unit, tf, caffe, torch, as Keras calls them) that bring the
        channels' statistics at least twice as near, then a match of moments; empty where the splits agree already.
    """
    # Once: every conversion is held against the same training split.
    ours, theirs = channel_statistics(train), channel_statistics(validation)
    now = _distance(ours, theirs)
    families = (*_UNIFORM, *_PER_CHANNEL) if train.shape[-1] == 3 else _UNIFORM
    sample = validation[:: max(1, len(validation) // 256)]
    named = {_signature(one, other): _between(one, other) for one in families for other in families if one != other}
    near = sorted(
        ((_distance(ours, channel_statistics(each.apply(sample))), each) for each in named.values()),
        key=lambda pair: pair[0],
    )
    found = [each for distance, each in near if distance < now / 2][:_MOST_NAMED]
    return (*found, _matched(ours, theirs)) if now > _APART else tuple(found if now > _APART / 5 else ())


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


def _between(theirs: _Family, ours: _Family) -> Conversion:
    scale, shift, is_reversed = _affine(theirs, ours)

    def apply(inputs: np.ndarray) -> np.ndarray:
        return ((inputs[..., ::-1] if is_reversed else inputs) * scale + shift).astype(np.float32)

    return Conversion(f"from {theirs.name} to {ours.name}", apply, is_named=True)


def _affine(theirs: _Family, ours: _Family) -> tuple[np.ndarray, np.ndarray, bool]:
    is_reversed = theirs.is_reversed != ours.is_reversed
    one, other = np.array(theirs.scale), np.array(theirs.shift)
    if is_reversed:
        one, other = one[::-1], other[::-1]
    # Undo theirs, then do ours.
    scale = np.array(ours.scale) / one
    return scale, np.array(ours.shift) - other * scale, is_reversed


def _signature(theirs: _Family, ours: _Family) -> tuple[object, ...]:
    scale, shift, is_reversed = _affine(theirs, ours)
    return (*np.round(np.broadcast_to(scale, 3), 6), *np.round(np.broadcast_to(shift, 3), 3), is_reversed)


def _matched(ours: ChannelStatistics, theirs: ChannelStatistics) -> Conversion:
    scale = np.array(ours.deviation) / (np.array(theirs.deviation) + _TINY)
    shift = np.array(ours.mean) - np.array(theirs.mean) * scale
    return Conversion(
        "each channel's mean and deviation set to those of training",
        lambda inputs: (inputs * scale + shift).astype(np.float32),
        is_named=False,
    )
