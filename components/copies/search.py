"""Which pictures show what another one shows: the same file changed a little, saved again, or resized by a little.

Pictures that only look alike (two eights, two skies, two dark shapes on white, two frames of one camera) are no copies.
Among what is left, near copies of training pictures are sought (`components/copies/near.py`).
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from components.copies.near import NearCopies, find_near_copies
from components.copies.shrinking import as_numbers, detail, shrunk

# Pictures are compared at this size at most: a photograph that was compressed again differs least there.
SIDE: Final = 64
_THUMBNAIL: Final = 16
_BLOCK: Final = 2_048
_PAIRS: Final = 256
# Of each picture so many others are looked at closely. A copy among pictures that look alike need not be the nearest.
_CANDIDATES: Final = 10
# And so many that share a tile bit for bit: where pictures are smooth, a spot outweighs all else in a thumbnail.
_TILES: Final = 4
_SHARED: Final = 4
# docs/decisions/0018-copies.md has the scores of copies and of others for each of these.
_CANDIDATE: Final = 0.8
_COARSE: Final = 0.98
_DETAIL: Final = 0.85
# Of the pixels, and of a picture's own deviation: on a plain ground all detail is one edge, and where the edges of two
# things lie a pixel apart, few pixels differ, but wholly.
_FAR: Final = 0.002
_WHOLLY: Final = 1.5
# Without detail (a gradient, a sky) nothing tells a copy from a picture of the same kind; in training deviations.
_LEAST_DETAIL: Final = 0.02
# In training deviations: a mean picture that shows less is noise, and many times that much of it would be taken off.
_LEAST_MEAN: Final = 0.05
# Of the pixels, that may differ where all others are equal.
_EDITED: Final = 0.01
_EQUAL: Final = 1e-3


@dataclass(frozen=True)
class Copies:
    """Whose copy each of m validation pictures is."""

    seen: np.ndarray
    """int64 [m]: position of a training picture; -1 where it is the copy of none."""
    earlier: np.ndarray
    """int64 [m]: position of an earlier validation picture; -1 where it is the copy of none."""
    near: np.ndarray | None = None
    """bool [m]: of those seen, which are near copies: flipped, turned, moved, zoomed, frames of one film."""
    examined: np.ndarray | None = None
    """bool [m]: among which near copies were sought; None: among none."""

    def first(self, number: int) -> "Copies":
        """Of the first so many validation pictures."""
        near, examined = (None if one is None else one[:number] for one in (self.near, self.examined))
        return Copies(self.seen[:number], self.earlier[:number], near, examined)


def find_copies(train: np.ndarray, validation: np.ndarray) -> Copies:
    """Compares every validation picture with every training picture and every other validation picture.

    Pictures are read in blocks, so that arrays may be files (`numpy.memmap`); thumbnails of validation are in memory,
    1 KB each.

    Args:
        train: [n, height, width, channels] or [n, height, width], any number type and scaling; inputs of another rank
            are copies where they are equal.
        validation: [m, ...], scaled as `train`; the size may differ.
    """
    equal = _equal(train, validation)
    train, validation = (pictures[..., None] if pictures.ndim == 3 else pictures for pictures in (train, validation))
    if train.ndim != 4 or validation.ndim != 4 or train.shape[3] != validation.shape[3]:
        return equal
    look = _Look(train, validation)
    tiles = look.tiles(validation)
    shared, nearest = _shared(look.tiles(train), tiles), _nearest(look, train, validation)
    seen = _confirmed(look, train, validation, np.concatenate([shared, nearest], axis=1))
    shared, nearest = (
        _shared(tiles, tiles, only_earlier=True),
        _nearest(look, validation, validation, only_earlier=True),
    )
    earlier = _confirmed(look, validation, validation, np.concatenate([shared, nearest], axis=1))
    seen = np.where(equal.seen >= 0, equal.seen, seen)
    earlier = np.where(equal.earlier >= 0, equal.earlier, earlier)
    others = np.flatnonzero((seen < 0) & (earlier < 0))
    return _with_near_copies(seen, earlier, find_near_copies(train, validation, others))


def _with_near_copies(seen: np.ndarray, earlier: np.ndarray, found: NearCopies) -> Copies:
    seen, near, examined = seen.copy(), np.zeros(len(seen), dtype=bool), np.zeros(len(seen), dtype=bool)
    seen[found.rows], near[found.rows], examined[found.examined] = found.positions, True, True
    return Copies(seen, earlier, near, examined)


class _Look:
    """How pictures are looked at: at one size, and less what they have of the mean training picture.

    Pictures of one camera, or of things on one ground, are alike in what all of them show.
    """

    def __init__(self, train: np.ndarray, validation: np.ndarray) -> None:
        sizes = zip(train.shape[1:3], validation.shape[1:3], strict=True)
        height, width = (min(SIDE, *pair) for pair in sizes)
        self._size = (height, width)
        mean, self.deviation = self._moments(train)
        self.mean = mean if mean.std() > _LEAST_MEAN * self.deviation else np.zeros_like(mean)
        # A validation split in another scaling has the same detail in other units.
        _, self._validation_deviation = self._moments(validation)
        self._least_deviation = min(self.deviation, self._validation_deviation)

    def _moments(self, whole: np.ndarray) -> tuple[np.ndarray, float]:
        """The mean picture, float32 [height, width, channels], and the deviation over all values."""
        total, squares = np.zeros((*self._size, whole.shape[3])), 0.0
        for start in range(0, len(whole), _PAIRS):
            block = self.pictures(whole, slice(start, start + _PAIRS))
            total += block.sum(axis=0, dtype=np.float64)
            squares += float(np.square(block, dtype=np.float64).sum())
        mean = total / len(whole)
        variance = squares / (len(whole) * mean.size) - mean.mean() ** 2
        return mean.astype(np.float32), float(np.sqrt(max(variance, 0)))

    def pictures(self, whole: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
        """float32 [k, height, width, channels]."""
        return as_numbers(whole, rows, self._size)

    def thumbnails(self, whole: np.ndarray, rows: slice) -> np.ndarray:
        """float32 [k, 256], grey, of length one; zero where a picture is uniform."""
        grey = _thumbnails(self.pictures(whole, rows)).mean(axis=3, keepdims=True)
        mean = _thumbnails(self.mean[None]).mean(axis=3, keepdims=True)[0]
        small = _less_mean(grey, mean).reshape(len(grey), -1)
        length = np.linalg.norm(small, axis=1, keepdims=True)
        least = 1e-4 * self._least_deviation * np.sqrt(small.shape[1])
        return np.divide(small, length, out=np.zeros_like(small), where=length > least)

    def tiles(self, whole: np.ndarray) -> np.ndarray:
        """uint64 [n, tiles]: a number for each of up to 4 x 4 parts of each picture, the same where all bits are."""
        weights = np.random.default_rng(0).integers(1, 2**63, self.mean.shape, dtype=np.uint64)
        rows, columns = (np.unique(np.linspace(0, size, _TILES + 1).astype(np.int64)[:-1]) for size in self._size)
        found = []
        for start in range(0, len(whole), _PAIRS):
            # Zero has two signs.
            pictures = self.pictures(whole, slice(start, start + _PAIRS)) + np.float32(0)
            weighted = pictures.view(np.uint32).astype(np.uint64) * weights
            sums = np.add.reduceat(np.add.reduceat(weighted, rows, axis=1), columns, axis=2).sum(axis=3)
            found.append(sums.reshape(len(pictures), -1))
        return np.concatenate(found)

    def same(self, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        """Whether pictures of validation [k, height, width, channels] show the same as others, by pairs, bool [k]."""
        different = (np.abs(ours - theirs) > _EQUAL * self._least_deviation).any(axis=3).reshape(len(ours), -1)
        same = different.sum(axis=1) <= max(1, _EDITED * different.shape[1])
        mean = _thumbnails(self.mean[None])[0]
        coarse = _correlation(*(_less_mean(_thumbnails(pictures), mean) for pictures in (ours, theirs)))
        alike = np.flatnonzero(~same & (coarse > _COARSE))
        details = [detail(_less_mean(pictures[alike], self.mean)) for pictures in (ours, theirs)]
        has_detail = _root_mean_square(details[0]) > _LEAST_DETAIL * self._validation_deviation
        far = _differ_wholly(*(_less_mean(pictures[alike], self.mean) for pictures in (ours, theirs)))
        same[alike] = (_correlation(*details) > _DETAIL) & has_detail & (far <= _FAR)
        return same


def _shared(theirs: np.ndarray, ours: np.ndarray, only_earlier: bool = False) -> np.ndarray:
    """The first picture that holds a tile of each of validation, by rarest tiles: int64 [m, candidates]; -1 for none.

    A plain ground is in many pictures, which says nothing; what is left of a picture is in its copies, many or few.

    Args:
        theirs: Tiles of the pictures that positions are of.
        ours: Tiles of validation.
        only_earlier: Whether to ask for pictures before each, in validation itself.
    """
    positions = np.full(ours.shape, -1, dtype=np.int64)
    holders = np.full(ours.shape, len(theirs) + 1, dtype=np.int64)
    for tile in range(ours.shape[1]):
        known, first, number = np.unique(theirs[:, tile], return_index=True, return_counts=True)
        place = np.searchsorted(known, ours[:, tile]).clip(max=len(known) - 1)
        is_held = known[place] == ours[:, tile]
        if only_earlier:
            is_held &= first[place] < np.arange(len(ours))
        positions[is_held, tile] = first[place[is_held]]
        holders[is_held, tile] = number[place[is_held]]
    rarest = np.argsort(holders, axis=1, kind="stable")[:, :_SHARED]
    return np.take_along_axis(positions, rarest, axis=1)


def _nearest(look: _Look, whole: np.ndarray, validation: np.ndarray, only_earlier: bool = False) -> np.ndarray:
    """The positions in `whole` of the pictures most like each of validation: int64 [m, candidates], best first.

    -1 where there is none; `only_earlier` asks for those before each, in validation itself.
    """
    ours = np.concatenate(
        [look.thumbnails(validation, slice(start, start + _PAIRS)) for start in range(0, len(validation), _PAIRS)]
    )
    likeness = np.full((len(ours), _CANDIDATES), -1, dtype=np.float32)
    positions = np.full((len(ours), _CANDIDATES), -1, dtype=np.int64)
    for start in range(0, len(whole), _BLOCK):
        theirs = look.thumbnails(whole, slice(start, start + _BLOCK))
        for row in range(start if only_earlier else 0, len(ours), _BLOCK):
            found = ours[row : row + _BLOCK] @ theirs.T
            if only_earlier and row == start:
                found[np.triu_indices_from(found)] = -1
            # Most pictures are like none of a block.
            some = np.flatnonzero(found.max(axis=1) > np.maximum(likeness[row : row + _BLOCK, -1], _CANDIDATE))
            best = np.argpartition(-found[some], min(_CANDIDATES, found.shape[1]) - 1, axis=1)[:, :_CANDIDATES]
            merged = np.concatenate([likeness[row + some], np.take_along_axis(found[some], best, axis=1)], axis=1)
            order = np.argsort(-merged, axis=1, kind="stable")[:, :_CANDIDATES]
            known = np.concatenate([positions[row + some], start + best], axis=1)
            likeness[row + some] = np.take_along_axis(merged, order, axis=1)
            positions[row + some] = np.take_along_axis(known, order, axis=1)
    return np.where(likeness > _CANDIDATE, positions, -1)


def _confirmed(look: _Look, whole: np.ndarray, validation: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The first of the candidates [m, candidates] that shows the same, int64 [m]; -1 where none does."""
    copied = np.full(len(positions), -1, dtype=np.int64)
    for rank in range(positions.shape[1]):
        rows = np.flatnonzero((copied < 0) & (positions[:, rank] >= 0))
        for start in range(0, len(rows), _PAIRS):
            some = rows[start : start + _PAIRS]
            theirs = positions[some, rank]
            same = look.same(look.pictures(validation, some), look.pictures(whole, theirs))
            copied[some[same]] = theirs[same]
    return copied


def _equal(train: np.ndarray, validation: np.ndarray) -> Copies:
    # Whatever an example looks like, a uniform picture too; and however many others look like it.
    known: dict[bytes, int] = {}
    for position in range(len(train)):
        known.setdefault(_key(train[position]), position)
    first: dict[bytes, int] = {}
    seen, earlier = [], []
    for position in range(len(validation)):
        key = _key(validation[position])
        seen.append(known.get(key, -1))
        earlier.append(first.get(key, -1))
        first.setdefault(key, position)
    return Copies(np.array(seen, dtype=np.int64), np.array(earlier, dtype=np.int64))


def _key(example: np.ndarray) -> bytes:
    # Zero has two signs.
    return hashlib.blake2b((example.astype(np.float32) + np.float32(0)).tobytes(), digest_size=16).digest()


def _less_mean(pictures: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """What is left of each picture after a constant and its best multiple of the mean picture."""
    rows = pictures.reshape(len(pictures), mean.size)
    rows = rows - rows.mean(axis=1, keepdims=True)
    common = mean.reshape(-1) - mean.mean()
    square = float(common @ common)
    if square > 0:
        rows = rows - np.outer(rows @ common / square, common)
    return rows.reshape(pictures.shape)


def _thumbnails(pictures: np.ndarray) -> np.ndarray:
    return shrunk(pictures, (_THUMBNAIL, _THUMBNAIL))


def _correlation(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    axes = tuple(range(1, ours.ndim))
    lengths = np.sqrt(np.square(ours).sum(axis=axes) * np.square(theirs).sum(axis=axes))
    return np.divide((ours * theirs).sum(axis=axes), lengths, out=np.zeros_like(lengths), where=lengths > 0)


def _differ_wholly(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The share of pixels that are far from each other, pictures [k, height, width, channels] in their own units."""
    scaled = []
    for pictures in (ours, theirs):
        size = np.sqrt(np.square(pictures).mean(axis=(1, 2, 3), keepdims=True))
        scaled.append(np.divide(pictures, size, out=np.zeros_like(pictures), where=size > 0))
    return (np.abs(scaled[0] - scaled[1]) > _WHOLLY).any(axis=3).mean(axis=(1, 2))


def _root_mean_square(pictures: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(pictures).mean(axis=(1, 2)))
