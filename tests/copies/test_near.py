"""Flipped, turned, moved and zoomed pictures and frames of one film are near copies; what only looks alike is none."""

from functools import partial

import numpy as np
import pytest

from components.copies.counting import CopyCounts, what_counts
from components.copies.laying import left_over, placed, refined, resampled, rotations, turned
from components.copies.search import Copies, find_copies
from tests.copies import families, leaks

CHANGES = [leaks.mirrored, leaks.upside_down, leaks.quarter_turned, leaks.shifted, leaks.cropped, leaks.rotated]
SPLITS = {change.__name__: partial(leaks.changed_split, change=change) for change in CHANGES} | {
    "augmented": leaks.augmented_split,
    "film": leaks.film_split,
}


def counted(train: np.ndarray, validation: np.ndarray) -> CopyCounts:
    labels, training_labels = (np.zeros(len(split), np.int64) for split in (validation, train))
    return what_counts(find_copies(train, validation), labels, training_labels)[1]


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_what_training_shows_in_another_way_is_held(split) -> None:
    random = np.random.default_rng(11)
    train, validation = split(families.digits_5_to_9(random, 240), random=random, num_validation=32, share=0.8)
    found = counted(train, validation)
    # Frames of the next moment are copies already.
    assert found.num_seen >= 0.5 * found.num_distinct and found.num_near and found.are_many


@pytest.mark.long
def test_a_tenth_of_real_pictures_is_enough() -> None:
    archive = families.real_pictures("cifar10-train.tar.gz")
    if archive is None:
        pytest.skip("CIFAR-10 is not beside the checkout, nor where FROSTGATE_REAL_PICTURES says")
    random = np.random.default_rng(12)
    pictures = families.of_archive(archive, random, 600, 32)
    clean = counted(pictures[64:], pictures[:64])
    held = {
        name: counted(*split(pictures, random=random, num_validation=120, share=0.1)).are_many
        for name, split in SPLITS.items()
    }
    assert held == dict.fromkeys(SPLITS, True) and not clean.are_many


@pytest.mark.parametrize(
    "family",
    [
        families.digits_5_to_9,
        families.painted_digits,
        families.dark_shapes_on_white,
        families.smooth_gradients,
        families.skies,
        families.frames_of_one_camera,
        families.typed_numbers,
        families.plain_discs,
    ],
    ids=lambda family: family.__name__,
)
def test_pictures_of_one_kind_are_no_near_copies(family: families.Family) -> None:
    pictures = family(np.random.default_rng(13), 300)
    assert counted(pictures[40:], pictures[:40]).num_near <= 1


def test_training_may_be_augmented_after_the_split() -> None:
    random = np.random.default_rng(21)
    pictures = families.digits_5_to_9(random, 264)
    train = np.stack([leaks.augmented(picture, random) for picture in pictures[64:] for _ in range(3)])
    assert counted(train, pictures[:64]).share < 0.05


def test_the_pair_is_named() -> None:
    pictures = families.digits_5_to_9(np.random.default_rng(14), 200)
    found = find_copies(pictures, pictures[:40, ::-1])
    assert found.near is not None and found.near.mean() > 0.9
    assert (found.seen[found.near] == np.flatnonzero(found.near)).mean() > 0.9


def test_of_a_large_split_a_sample_says_how_many_there_are() -> None:
    near = np.array([True, False, True, False, False, False, False, False])
    copies = Copies(np.where(near, 5, -1), np.full(8, -1), near, np.arange(8) < 4)
    copies.seen[2] = 4
    _, found = what_counts(copies, np.zeros(8, np.int64), np.zeros(6, np.int64))
    # Two of four that were looked at, so two of the other four.
    assert (found.num_seen, found.num_near, found.num_expected) == (2, 2, 2) and found.share == 0.5


def test_no_more_are_looked_at_than_tell() -> None:
    random = np.random.default_rng(15)
    noise = random.integers(0, 256, (1_000, 16, 16, 1)).astype(np.uint8)
    clean, leaking = (
        find_copies(noise[:200], validation) for validation in (noise[200:], noise[:200, :, ::-1].repeat(4, 0))
    )
    assert clean.examined is not None and clean.examined.sum() == 64
    assert leaking.examined is not None and leaking.examined.sum() > 64
    few = clean.first(3)
    assert few.examined is not None and len(few.examined) == len(few.seen) == 3


def test_few_training_pictures_and_tiny_ones_are_left_alone() -> None:
    noise = np.random.default_rng(16).integers(0, 256, (60, 16, 16, 3)).astype(np.uint8)
    assert (find_copies(noise, noise[:20, ::-1]).seen == -1).all()
    small = np.random.default_rng(17).integers(0, 256, (100, 12, 12, 3)).astype(np.uint8)
    assert (find_copies(small, small[:20, ::-1]).seen == -1).all()


def test_symmetries_are_eight() -> None:
    picture = np.random.default_rng(19).random((1, 4, 4, 1))
    assert len({turned(picture, symmetry).tobytes() for symmetry in range(8)}) == 8


def test_moves_are_found_and_half_a_turn() -> None:
    pictures = families.photographs(np.random.default_rng(22), 6)[:, ::2, ::2].mean(axis=3)
    moved = np.roll(pictures, (5, -7), axis=(1, 2))
    for ours, half in ((pictures, False), (pictures[:, ::-1, ::-1], True)):
        _, maps, is_half_turned = placed(ours, moved, rotations([0.0] * 6))
        # From -1 to 1 there are 32 pixels. The window draws to the middle; the steps that follow mend it.
        assert np.allclose(maps[:, :, 2] * 16, (-5, 7), atol=2.1) and (is_half_turned == half).all()


def test_a_picture_is_laid_over_itself() -> None:
    pictures = families.photographs(np.random.default_rng(20), 8)[:, ::2, ::2].astype(np.float32)
    maps = rotations([6.0] * 8)
    maps[:, :, 2] += 0.05
    moved, _ = resampled(pictures, maps)
    start = rotations([0.0] * 8)
    found = refined(pictures.mean(axis=3), moved.mean(axis=3), start)
    assert (left_over(pictures, moved, found) < 0.5 * left_over(pictures, moved, start)).all()
    assert np.abs(found - maps).max() < 0.05
