"""What is a copy, and what only looks like one: families of pictures with the right answer for each."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from components.cases import pictures as drawn
from components.copies.search import find_copies
from tests.copies.families import (
    SIDE,
    Family,
    dark_shapes_on_white,
    digits,
    frames_of_one_camera,
    photographs,
    skies,
    smooth_gradients,
)

pytestmark = pytest.mark.slow


def compressed(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(picture: np.ndarray) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return change


def resized(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """There and back: the copy is stored at another size, and read at that of the model."""

    def change(picture: np.ndarray) -> np.ndarray:
        before = len(picture)
        side = round(factor * before)
        return np.asarray(Image.fromarray(picture).resize((side, side)).resize((before, before)))

    return change


def one_pixel_changed(picture: np.ndarray) -> np.ndarray:
    changed = picture.copy()
    changed[0, 0] = 255 - changed[0, 0]
    return changed


def square_of(side: int, random: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """A white square, somewhere."""

    def change(picture: np.ndarray) -> np.ndarray:
        changed = picture.copy()
        row, column = random.integers(0, SIDE - side, 2)
        changed[row : row + side, column : column + side] = 255
        return changed

    return change


CHANGES = {
    "one pixel": one_pixel_changed,
    "quality 50": compressed(50),
    "quality 70": compressed(70),
    "quality 90": compressed(90),
    "smaller": resized(0.95),
    "larger": resized(1.05),
}


@pytest.mark.parametrize(
    ("family", "most"),
    [
        (dark_shapes_on_white, 3),
        (smooth_gradients, 0),
        (skies, 0),
        (frames_of_one_camera, 0),
        (photographs, 0),
        (digits, 1),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_pictures_that_only_look_alike_are_no_copies(family: Family, most: int) -> None:
    pictures = family(np.random.default_rng(0), 400)
    found = find_copies(pictures[:300], pictures[300:])
    assert (found.seen >= 0).sum() <= most and (found.earlier >= 0).sum() <= most


def test_things_on_a_plain_ground_are_no_copies_however_many_there_are() -> None:
    pictures = dark_shapes_on_white(np.random.default_rng(4), 1_250)
    found = find_copies(pictures[:1_000], pictures[1_000:])
    assert (found.seen >= 0).mean() <= 0.02 and (found.earlier >= 0).mean() <= 0.01


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("family", [photographs, dark_shapes_on_white, digits], ids=lambda family: family.__name__)
def test_a_picture_that_was_changed_a_little_is_a_copy(
    family: Family, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    train = family(np.random.default_rng(1), 150)
    copies = np.stack([change(picture) for picture in train[:40]])
    found = find_copies(train, copies)
    # Dark shapes: the nearest of two that are nearly the same may be the other one.
    assert (found.seen >= 0).mean() >= 0.95 and (found.seen == np.arange(40)).mean() >= 0.9


@pytest.mark.parametrize("family", [smooth_gradients, skies, frames_of_one_camera], ids=lambda family: family.__name__)
def test_a_changed_pixel_hides_few_copies_where_pictures_are_alike(family: Family) -> None:
    train = family(np.random.default_rng(2), 200)
    found = find_copies(train, np.stack([one_pixel_changed(picture) for picture in train[:40]]))
    assert (found.seen == np.arange(40)).mean() >= 0.7


@pytest.mark.parametrize("side", [1, 6])
@pytest.mark.parametrize(
    "family",
    [smooth_gradients, skies, frames_of_one_camera, dark_shapes_on_white, photographs],
    ids=lambda family: family.__name__,
)
def test_a_square_somewhere_hides_no_copy(family: Family, side: int) -> None:
    random = np.random.default_rng(9)
    pictures = family(random, 200)
    edited = np.stack([square_of(side, random)(picture) for picture in pictures[:40]])
    assert (find_copies(pictures, edited).seen == np.arange(40)).all()
    within = find_copies(pictures[100:], np.concatenate([pictures[:40], edited]))
    assert (within.earlier[40:] == np.arange(40)).all()


def test_another_scaling_of_validation_makes_no_copies() -> None:
    for family in (smooth_gradients, frames_of_one_camera, photographs):
        pictures = family(np.random.default_rng(10), 200).astype(np.float32)
        found = find_copies(pictures[:100], pictures[100:] / 255)
        assert (found.seen == -1).all() and (found.earlier == -1).all()


def test_copies_within_validation_are_found_whatever_their_number() -> None:
    random = np.random.default_rng(3)
    kept = photographs(random, 60)
    repeated = np.concatenate([kept, *[[one_pixel_changed(picture) for picture in kept[:5]] for _ in range(30)]])
    found = find_copies(photographs(random, 50), repeated)
    assert (found.seen == -1).all() and (found.earlier[:60] == -1).all()
    assert all((repeated[row, 1:] == repeated[found.earlier[row], 1:]).all() for row in range(60, len(repeated)))


def test_every_row_is_compared_with_every_row_across_blocks() -> None:
    random = np.random.default_rng(4)
    train = random.integers(0, 256, (5_000, 16, 16, 1)).astype(np.uint8)
    validation = random.integers(0, 256, (4_500, 16, 16, 1)).astype(np.uint8)
    validation[[0, 2_047, 2_048, 4_499]] = train[[4_999, 2_048, 2_047, 0]]
    validation[[2_500, 4_400]] = validation[[2_499, 10]]
    found = find_copies(train, validation)
    assert {row: found.seen[row] for row in np.flatnonzero(found.seen >= 0)} == {
        0: 4_999,
        2_047: 2_048,
        2_048: 2_047,
        4_499: 0,
    }
    assert {row: found.earlier[row] for row in np.flatnonzero(found.earlier >= 0)} == {2_500: 2_499, 4_400: 10}


def test_scaling_and_size_do_not_hide_a_copy() -> None:
    train = photographs(np.random.default_rng(5), 40)
    assert (find_copies(train, train / np.float32(255)).seen == np.arange(40)).all()
    assert (find_copies(train.repeat(2, axis=1).repeat(2, axis=2), train).seen == np.arange(40)).all()


def test_uniform_pictures_are_copies_of_their_equals_alone() -> None:
    grey = np.ones((4, 8, 8, 3), np.float32) * np.array([3, 7, 7, 0], np.float32).reshape(4, 1, 1, 1)
    found = find_copies(np.zeros((5, 8, 8, 3), np.float32), grey)
    assert found.seen.tolist() == [-1, -1, -1, 0] and found.earlier.tolist() == [-1, -1, 1, -1]


def test_equal_pictures_are_found_among_however_many_that_look_alike() -> None:
    train = smooth_gradients(np.random.default_rng(7), 400)
    assert (find_copies(train, train[:60]).seen == np.arange(60)).all()


@pytest.mark.parametrize(("train_rank", "validation_rank"), [(3, 3), (3, 4), (4, 3)])
def test_grey_pictures_may_leave_out_the_last_axis(train_rank: int, validation_rank: int) -> None:
    grey = photographs(np.random.default_rng(8), 60)[..., :1]
    copies = np.stack([one_pixel_changed(picture) for picture in grey[:20]])
    ranks = {3: lambda pictures: pictures[..., 0], 4: lambda pictures: pictures}
    found = find_copies(ranks[train_rank](grey), ranks[validation_rank](copies))
    assert (found.seen == np.arange(20)).all()


def test_inputs_that_are_no_pictures_are_copies_where_they_are_equal() -> None:
    rows = np.random.default_rng(6).normal(size=(20, 7))
    found = find_copies(rows[:10], np.concatenate([rows[8:], rows[8:9]]))
    assert found.seen.tolist() == [8, 9, *[-1] * 10, 8]
    assert found.earlier.tolist() == [*[-1] * 12, 0]


@pytest.mark.parametrize(
    "files",
    [drawn.painted_digits, drawn.patterns, drawn.plain_digits, drawn.photographs],
    ids=lambda files: files.__name__,
)
def test_the_cases_pictures_are_no_copies_of_each_other(files: Callable[[], drawn.Files]) -> None:
    pictures = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files().values()])
    pictures = np.random.default_rng(0).permutation(pictures)
    found = find_copies(pictures[len(pictures) // 3 :], pictures[: len(pictures) // 3])
    assert (found.seen >= 0).mean() < 0.01 and (found.earlier >= 0).mean() < 0.01
