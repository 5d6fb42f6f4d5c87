"""Checks whether BatchNorm's moving statistics had a chance to converge."""

import math


def lint(num_updates: int, momentum: float) -> str | None:
    """Returns a warning where BatchNorm's moving statistics get too few updates to converge, or None.

    After n updates `momentum ** n` of the initial statistics is left; five time constants leave less than 1 %.

    Args:
        num_updates: Training steps with BatchNorm in training mode.
        momentum: BatchNorm momentum, in (0, 1).
    """
    needed = math.ceil(round(5 / (1 - momentum), 6))
    if num_updates >= needed:
        return None
    return (
        f"{num_updates} updates at BatchNorm momentum {momentum:g} leave {momentum**num_updates:.0%} of the initial "
        f"moving statistics; {needed} updates are needed. Train longer, with smaller batches, or lower the momentum."
    )
