"""Laying one picture over another: turned, moved and stretched until both fit as well as they can; pure.

A map, [2, 3], says from where in the first picture each place of the second is taken: rows and columns from -1 to 1.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

# Between looking for the best place and looking closely; a step is at most so much of half a picture's side.
_STEPS: Final = 8
_FINE_STEPS: Final = 4
_LONGEST_STEP: Final = 0.15
# Of a picture's curvature: where nothing is to be seen in a direction, nothing is moved in it.
_RIDGE: Final = 1e-3
# A map that leaves less of the picture than this, or stretches its area by more, fits anything.
_LEAST_SHARED: Final = 0.5
_MOST_STRETCHED: Final = 2.5


def turned(pictures: np.ndarray, symmetry: int) -> np.ndarray:
    """Pictures [k, side, side, ...] by a symmetry of the square: bits 0 and 1 are quarter turns, bit 2 a mirror."""
    mirrored = pictures[:, :, ::-1] if symmetry & 4 else pictures
    return np.ascontiguousarray(np.rot90(mirrored, symmetry & 3, axes=(1, 2)))


def rotations(degrees: Sequence[float]) -> np.ndarray:
    """Maps that turn about the middle, float32 [k, 2, 3]."""
    angles = np.deg2rad(degrees)
    none = np.zeros_like(angles)
    rows = np.stack([np.cos(angles), -np.sin(angles), none], axis=1)
    columns = np.stack([np.sin(angles), np.cos(angles), none], axis=1)
    return np.stack([rows, columns], axis=1).astype(np.float32)


def window(side: int) -> np.ndarray:
    """Weights, float32 [side, side]: the middle counts, and what moving or turning brings in at the edges does not."""
    distance = np.abs((np.arange(side) + 0.5) / side * 2 - 1)
    weights = np.where(distance < 0.5, 1, np.cos((distance - 0.5) * np.pi) ** 2)
    return np.outer(weights, weights).astype(np.float32)


def resampled(pictures: np.ndarray, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pictures [k, side, side, channels] as maps take them, and what of that is from within, bool [k, side, side]."""
    number, side = pictures.shape[:2]
    places = maps.astype(np.float32) @ _places(side)
    inside = (np.abs(places) <= 1).all(axis=1).reshape(number, side, side)
    pixels = ((places + 1) * (side / 2) - 0.5).clip(0, side - 1.001)
    corners = pixels.astype(np.int32)
    down, right = (pixels - corners).transpose(1, 0, 2)
    at = (np.arange(number) * side * side)[:, None] + corners[:, 0] * side + corners[:, 1]
    found = np.empty(pictures.shape, np.float32)
    for channel in range(pictures.shape[3]):
        flat = pictures[..., channel].ravel()
        above = flat.take(at) * (1 - right) + flat.take(at + 1) * right
        below = flat.take(at + side) * (1 - right) + flat.take(at + side + 1) * right
        found[..., channel] = (above * (1 - down) + below * down).reshape(inside.shape)
    return found, inside


def placed(ours: np.ndarray, theirs: np.ndarray, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds by how much grey pictures [k, side, side] are moved, with and without half a turn, by their correlation.

    Args:
        ours: As `maps` take them.
        theirs: What they are laid over.
        maps: float32 [k, 2, 3].

    Returns:
        How well they fit, float [k]; the maps moved; and which fit better after half a turn of the original, bool [k].
    """
    side = theirs.shape[1]
    weights = window(side)
    spectra = np.conj(np.fft.fft2(_standard(theirs, weights) * weights))
    fits, moves = [], []
    for pictures in (ours, ours[:, ::-1, ::-1]):
        products = np.fft.fft2(_standard(pictures, weights) * weights) * spectra
        matched = np.fft.ifft2(products).real.reshape(len(ours), -1)
        best = matched.argmax(axis=1)
        fits.append(matched[np.arange(len(ours)), best])
        moved = np.stack([best // side, best % side], axis=1)
        moves.append(np.where(moved > side // 2, moved - side, moved) * (2 / side))
    is_half_turned = fits[1] > fits[0]
    move = np.where(is_half_turned[:, None], moves[1], moves[0])
    maps = maps.copy()
    maps[:, :, 2] += np.einsum("kij,kj->ki", maps[:, :, :2], move)
    return np.maximum(*fits), maps, is_half_turned


def refined(ours: np.ndarray, theirs: np.ndarray, maps: np.ndarray, is_fine: bool = False) -> np.ndarray:
    """Betters maps of grey pictures [k, side, side] by Gauss-Newton steps; brightness and contrast do not matter.

    Source: Baker and Matthews 2004, "Lucas-Kanade 20 Years On", the inverse compositional algorithm.
    """
    side = theirs.shape[1]
    weights = window(side)
    target = _standard(theirs, weights)
    slopes = [np.gradient(target, axis=axis) * (side / 2) for axis in (1, 2)]
    places = _places(side).reshape(3, side, side)
    steps = np.stack([slope * place for slope in slopes for place in places], axis=-1).reshape(len(target), -1, 6)
    weighted = np.ascontiguousarray((steps * weights.reshape(-1, 1)).transpose(0, 2, 1))
    curvature = (weighted @ steps).astype(np.float64)
    ridge = _RIDGE * np.trace(curvature, axis1=1, axis2=2) + 1e-6
    inverse = np.linalg.inv(curvature + ridge[:, None, None] * np.eye(6))
    for _ in range(_FINE_STEPS if is_fine else _STEPS):
        found, inside = resampled(ours[..., None], maps)
        off = (_standard(found[..., 0], weights * inside + 1e-9) - target) * inside
        step = (inverse @ (weighted @ off.reshape(len(target), -1, 1)))[..., 0]
        maps = _less(maps, step.clip(-_LONGEST_STEP, _LONGEST_STEP))
    return maps


def left_over(ours: np.ndarray, theirs: np.ndarray, maps: np.ndarray, common: np.ndarray | None = None) -> np.ndarray:
    """What of pictures [k, side, side, channels] does not fit: the root of 1 - correlation, float [k] in [0, 1].

    Args:
        ours: Laid over `theirs` as `maps` say.
        theirs: Of the same shape.
        maps: float [k, 2, 3].
        common: A picture of which the best multiple is taken off both, [side, side, channels].
    """
    found, inside = resampled(ours, maps)
    weights = (window(ours.shape[1]) * inside)[..., None] + np.float32(1e-9)
    first, second = (_without(pictures, common, weights) for pictures in (found, theirs))
    axes = (1, 2, 3)
    lengths = np.sqrt((first * first * weights).sum(axes) * (second * second * weights).sum(axes))
    fit = np.divide((first * second * weights).sum(axes), lengths, out=np.zeros_like(lengths), where=lengths > 0)
    stretched = np.abs(np.linalg.det(maps[:, :, :2].astype(np.float64)))
    is_wild = (weights.sum(axes) < _LEAST_SHARED * window(ours.shape[1]).sum()) | (
        np.abs(np.log(np.maximum(stretched, 1e-9))) > np.log(_MOST_STRETCHED)
    )
    return np.where(is_wild, 1.0, np.sqrt((1 - fit).clip(0, 1)))


def _places(side: int) -> np.ndarray:
    """float32 [3, side * side]: row, column and one."""
    axis = ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)
    rows, columns = np.meshgrid(axis, axis, indexing="ij")
    return np.stack([rows.ravel(), columns.ravel(), np.ones(side * side, np.float32)])


def _standard(pictures: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=(-2, -1), keepdims=True)
    pictures = pictures - (pictures * weights).sum(axis=(1, 2), keepdims=True) / total
    deviation = np.sqrt((np.square(pictures) * weights).sum(axis=(1, 2), keepdims=True) / total)
    return np.divide(pictures, deviation, out=np.zeros_like(pictures), where=deviation > 1e-6)


def _less(maps: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Maps after the inverse of small maps, [k, 6]."""
    small = np.tile(np.eye(3), (len(maps), 1, 1))
    small[:, :2] += steps.reshape(-1, 2, 3)
    whole = np.tile(np.eye(3), (len(maps), 1, 1))
    whole[:, :2] = maps
    return (whole @ np.linalg.inv(small))[:, :2]


def _without(pictures: np.ndarray, common: np.ndarray | None, weights: np.ndarray) -> np.ndarray:
    """Pictures less each channel's mean and the best multiple of what is common to all."""
    total = weights.sum(axis=(1, 2), keepdims=True)
    pictures = pictures - (pictures * weights).sum(axis=(1, 2), keepdims=True) / total
    if common is None:
        return pictures
    common = common - (common * weights).sum(axis=(1, 2), keepdims=True) / total
    axes = (1, 2, 3)
    square = (common * common * weights).sum(axes)
    multiple = np.divide((pictures * common * weights).sum(axes), square, out=np.zeros_like(square), where=square > 0)
    return pictures - multiple[:, None, None, None] * common
