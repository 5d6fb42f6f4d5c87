"""How well the training picture that fits best fits on a picture, and how well others do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from components.copies.laying import left_over, placed, refined, resampled, rotations, turned, window
from components.copies.shrinking import as_numbers, detail, shrunk

# Pictures are looked at so small, for what is finer does not survive being turned; and the rough look at half of it.
SIDE: Final = 32
LEAST_SIDE: Final = 16
_FREQUENCIES: Final = 4
_DEGREES: Final = (-20.0, 0.0, 20.0)
# Mirrored or not, and a quarter turn; half a turn has the same spectrum.
_SYMMETRIES: Final = np.array([0, 1, 4, 5])
_BLOCK: Final = 2_048
_PAIRS: Final = 512
_READ: Final = 64
# Of the most alike by spectrum so many are compared by phase, and so many of those are laid over each other.
_CANDIDATES: Final = 48
_NEAREST: Final = 12
# The best of these are looked at closely, where the rough look leaves so much less than usual.
_BEST: Final = 3
_ROUGH_RATIO: Final = 0.55
# What is usual is said by others from farther down, for a film may have many frames; by the second best of them, for
# what cannot be laid over each other at all says nothing.
_USUAL: Final = 8
_SECOND: Final = 1
_FARTHEST: Final = 256
# In training deviations: without detail nothing tells a near copy from a picture of the same kind.
_LEAST_DETAIL: Final = 0.02


@dataclass(frozen=True)
class Fits:
    """How the training picture that fits best on each of k pictures does so."""

    position: np.ndarray
    """int64 [k]."""
    left: np.ndarray
    """float64 [k]: what of it does not fit, in [0, 1]; 1 where the rough look left nothing to look at."""
    usual: np.ndarray
    """float64 [k]: the same of the second best of some that are less alike."""
    detail_left: np.ndarray
    """float64 [k]: what of its detail does not fit, in [0, 1]; 1 where there is none."""


@dataclass(frozen=True)
class _Layings:
    """Which training pictures are laid over each of k pictures, and how."""

    positions: np.ndarray
    """int64 [k, c]: of training pictures."""
    symmetries: np.ndarray
    """int64 [k, c]: by which of the 8 symmetries the picture is turned first."""
    maps: np.ndarray
    """float32 [k, c, 2, 3]: from where in it each place of the training picture is taken then."""

    def only(self, columns: np.ndarray) -> "_Layings":
        """Some of each, by columns [k, d]."""
        return _Layings(
            np.take_along_axis(self.positions, columns, axis=1),
            np.take_along_axis(self.symmetries, columns, axis=1),
            np.take_along_axis(self.maps, columns[..., None, None], axis=1),
        )


class Training:
    """Training pictures by what does not change when they are moved: the sizes of their lowest frequencies."""

    def __init__(self, train: np.ndarray, side: int) -> None:
        """Reads every picture once.

        Args:
            train: [n, height, width, channels], n >= 64.
            side: At which they are looked at, even and at least 16.
        """
        self._train = train
        self.side = side
        some = self.pictures(np.unique(np.linspace(0, len(train) - 1, _BLOCK).astype(np.int64)))
        self.mean = some.mean(axis=0)
        self.least_detail = float(np.sqrt(np.square(some - self.mean).mean())) * _LEAST_DETAIL
        spectra = _spectra(some)
        self._middle, deviation = spectra.mean(axis=0), spectra.std(axis=0)
        self._deviation = np.maximum(deviation, 1e-3 * deviation.max() + 1e-6)
        blocks = (self.pictures(slice(start, start + _PAIRS)) for start in range(0, len(train), _PAIRS))
        self._spectra = np.concatenate([self.spectra(block).astype(np.float16) for block in blocks])

    def pictures(self, rows: slice | np.ndarray) -> np.ndarray:
        """float32 [k, side, side, channels]."""
        positions = np.arange(len(self._train))[rows]
        # Whole pictures may be large.
        blocks = (positions[start : start + _READ] for start in range(0, len(positions), _READ))
        return np.concatenate([as_numbers(self._train, block, (self.side, self.side)) for block in blocks])

    def spectra(self, pictures: np.ndarray) -> np.ndarray:
        """float32 [k, d], of length one."""
        found = (_spectra(pictures) - self._middle) / self._deviation
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6))

    def kept_spectra(self, positions: slice | np.ndarray) -> np.ndarray:
        """The same of training pictures."""
        return self._spectra[positions].astype(np.float32)

    def most_alike(self, variants: np.ndarray) -> np.ndarray:
        """Positions by the best of the variants' spectra [k, v, d]: int64 [k, candidates], best first."""
        number = min(_FARTHEST, len(self._spectra) // 4)
        likeness: np.ndarray = np.empty((len(variants), 0), np.float32)
        positions: np.ndarray = np.empty((len(variants), 0), np.int64)
        for start in range(0, len(self._spectra), _BLOCK):
            theirs = self.kept_spectra(slice(start, start + _BLOCK)).T
            found = np.stack([(one @ theirs).max(axis=0) for one in variants])
            likeness = np.concatenate([likeness, found], axis=1)
            places = np.broadcast_to(start + np.arange(found.shape[1]), found.shape)
            positions = np.concatenate([positions, places], axis=1)
            best = np.argpartition(-likeness, min(number, likeness.shape[1]) - 1, axis=1)[:, :number]
            likeness, positions = (np.take_along_axis(whole, best, axis=1) for whole in (likeness, positions))
        return np.take_along_axis(positions, np.argsort(-likeness, axis=1, kind="stable"), axis=1)


def best_fits(training: Training, pictures: np.ndarray) -> Fits:
    """Lays training pictures over each of [k, side, side, channels]: those most alike, and some less so."""
    layings, num_near = _most_alike(training, pictures)
    layings, left = _roughly(training, pictures, layings)
    usual = np.partition(left[:, num_near:], _SECOND, axis=1)[:, _SECOND]
    best = np.argsort(left[:, :num_near], axis=1, kind="stable")[:, :_BEST]
    is_better = np.take_along_axis(left, best, axis=1) < _ROUGH_RATIO * usual[:, None]
    return _closely(training, pictures, layings.only(best), is_better, usual)


def _most_alike(training: Training, pictures: np.ndarray) -> tuple[_Layings, int]:
    """Those most alike by spectrum and by phase, after them some less so; and how many the first are."""
    angles = rotations(_DEGREES)
    variants = [
        resampled(turned(pictures, int(symmetry)), np.broadcast_to(angle, (len(pictures), 2, 3)))[0]
        for symmetry in _SYMMETRIES
        for angle in angles
    ]
    spectra = np.stack([training.spectra(variant) for variant in variants], axis=1)
    grey = np.stack([_half(variant).mean(axis=3) for variant in variants], axis=1)
    order = training.most_alike(spectra)
    num_candidates = min(_CANDIDATES, order.shape[1] // 2)
    farther = np.linspace(order.shape[1] // 2, order.shape[1] - 1, _USUAL).astype(np.int64)
    positions = np.concatenate([order[:, :num_candidates], order[:, farther]], axis=1)
    fit = np.empty(positions.shape)
    found = _Layings(positions, np.empty(positions.shape, np.int64), np.empty((*positions.shape, 2, 3), np.float32))
    for rows, columns in _pairs(*np.indices(positions.shape).reshape(2, -1)):
        some = positions[rows, columns]
        variant = np.einsum("kvd,kd->kv", spectra[rows], training.kept_spectra(some)).argmax(axis=1)
        theirs = _half(training.pictures(some)).mean(axis=3)
        fit[rows, columns], found.maps[rows, columns], is_half_turned = placed(
            grey[rows, variant], theirs, angles[variant % len(angles)]
        )
        found.symmetries[rows, columns] = _SYMMETRIES[variant // len(angles)] ^ (2 * is_half_turned)
    nearest = np.argsort(-fit[:, :num_candidates], axis=1, kind="stable")[:, :_NEAREST]
    usual = np.broadcast_to(num_candidates + np.arange(_USUAL), (len(pictures), _USUAL))
    return found.only(np.concatenate([nearest, usual], axis=1)), nearest.shape[1]


def _roughly(training: Training, pictures: np.ndarray, layings: _Layings) -> tuple[_Layings, np.ndarray]:
    """Better maps, and what does not fit at half of the side, float64 [k, c]."""
    maps, left = layings.maps.copy(), np.ones(layings.positions.shape)
    common = _half(training.mean[None])[0]
    for rows, columns in _pairs(*np.indices(left.shape).reshape(2, -1)):
        ours = _half(_turned_each(pictures[rows], layings.symmetries[rows, columns]))
        theirs = _half(training.pictures(layings.positions[rows, columns]))
        found = refined(ours.mean(axis=3), theirs.mean(axis=3), maps[rows, columns])
        maps[rows, columns], left[rows, columns] = found, left_over(ours, theirs, found, common)
    return _Layings(layings.positions, layings.symmetries, maps), left


def _closely(
    training: Training, pictures: np.ndarray, layings: _Layings, chosen: np.ndarray, usual: np.ndarray
) -> Fits:
    """The best of those chosen, bool [k, c]; `usual` is what does not fit of others, [k]."""
    left, detail_left = np.ones(chosen.shape), np.ones(chosen.shape)
    for rows, columns in _pairs(*np.nonzero(chosen)):
        ours = _turned_each(pictures[rows], layings.symmetries[rows, columns])
        theirs = training.pictures(layings.positions[rows, columns])
        maps = refined(ours.mean(axis=3), theirs.mean(axis=3), layings.maps[rows, columns], is_fine=True)
        left[rows, columns] = left_over(ours, theirs, maps, training.mean)
        details = detail(ours)[..., None], detail(theirs)[..., None]
        has_detail = np.sqrt(np.square(details[1]).mean(axis=(1, 2, 3))) > training.least_detail
        detail_left[rows, columns] = np.where(has_detail, left_over(*details, maps), 1)
    first = (np.arange(len(left)), left.argmin(axis=1))
    return Fits(layings.positions[first], left[first], usual, detail_left[first])


def _pairs(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(rows), _PAIRS):
        yield rows[start : start + _PAIRS], columns[start : start + _PAIRS]


def _turned_each(pictures: np.ndarray, symmetries: np.ndarray) -> np.ndarray:
    found = np.empty_like(pictures)
    for symmetry in np.unique(symmetries):
        found[symmetries == symmetry] = turned(pictures[symmetries == symmetry], int(symmetry))
    return found


def _half(pictures: np.ndarray) -> np.ndarray:
    side = pictures.shape[1] // 2
    return shrunk(pictures, (side, side))


def _spectra(pictures: np.ndarray) -> np.ndarray:
    """The roots of the sizes of the lowest frequencies, float32 [k, d]."""
    weights = window(pictures.shape[1])[..., None]
    mean = (pictures * weights).sum(axis=(1, 2), keepdims=True) / weights.sum()
    coarse = shrunk((pictures - mean) * weights, (LEAST_SIDE, LEAST_SIDE))
    order = np.r_[0 : _FREQUENCIES + 1, -_FREQUENCIES:0]
    sizes = np.abs(np.fft.fft2(coarse, axes=(1, 2)))[:, order][:, :, order]
    # The other half of a real picture's spectrum says the same.
    half = (order[:, None] > 0) | ((order[:, None] == 0) & (order > 0))
    sizes = sizes[:, half].reshape(len(pictures), -1)
    # Contrast does not matter.
    whole = sizes.mean(axis=1, keepdims=True)
    return np.sqrt(np.divide(sizes, whole, out=np.zeros_like(sizes), where=whole > 0)).astype(np.float32)
