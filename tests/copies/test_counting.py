"""What a validation split counts once its copies are known."""

import numpy as np

from components.copies.counting import CopyCounts, what_counts
from components.copies.search import Copies


def decided(
    seen: list[int], earlier: list[int], labels: list[int], training_labels: list[int]
) -> tuple[list[int], CopyCounts]:
    counting, counts = what_counts(
        Copies(np.array(seen), np.array(earlier)), np.array(labels), np.array(training_labels)
    )
    return counting.tolist(), counts


def test_without_copies_everything_counts() -> None:
    assert decided([-1] * 3, [-1] * 3, [0, 1, 0], [0]) == ([0, 1, 2], CopyCounts(3, 0, 0, 0))


def test_each_content_counts_once() -> None:
    assert decided([-1] * 4, [-1, 0, 1, -1], [1, 1, 1, 0], [0]) == ([0, 3], CopyCounts(4, 2, 0, 0))


def test_what_training_holds_does_not_count_whatever_its_label() -> None:
    counting, counts = decided([2, 0, -1], [-1] * 3, [1, 0, 1], [1, 1, 1])
    assert counting == [2] and counts == CopyCounts(3, 0, 2, 0, 1)


def test_a_copy_of_what_training_holds_is_held_by_training_too() -> None:
    counting, counts = decided([-1, 0, -1], [-1, 0, -1], [1, 1, 1], [1])
    assert counting == [2] and counts == CopyCounts(3, 1, 1, 0)


def test_of_one_picture_under_several_labels_nobody_knows_which_is_right() -> None:
    counting, counts = decided([-1] * 4, [-1, 0, -1, 1], [0, 1, 1, 0], [0])
    assert counting == [2] and counts == CopyCounts(4, 2, 0, 1)
    assert counts.share == 0.5 and counts.are_many


def test_where_nothing_else_is_left_each_content_counts_once() -> None:
    counting, counts = decided([0, 0, 1], [-1, 0, -1], [0, 0, 1], [0, 1])
    assert counting == [0, 2] and counts.share == 1


def test_two_copies_of_one_training_picture_are_one_content() -> None:
    counting, counts = decided([4, 4, -1], [-1, -1, -1], [0, 0, 0], [0] * 5)
    assert counting == [2] and counts == CopyCounts(3, 1, 1, 0)


def test_images_whose_group_training_has_do_not_count() -> None:
    """Another picture of a patient of training was not seen, and yet says little of other patients."""
    copies = Copies(seen=np.full(5, -1), earlier=np.array([-1, -1, 1, -1, -1]))
    parted = np.array([False, False, True, True, False])
    counting, counts = what_counts(copies, np.zeros(5, int), np.zeros(1, int), parted)
    assert counting.tolist() == [0, 4]
    assert (counts.num_seen, counts.num_parted, counts.num_repeated, counts.share) == (2, 2, 1, 0.5)
