"""A test that draws numbers draws the same in every run."""

import random


def test_every_test_begins_at_the_same_random_numbers() -> None:
    assert random.random() == random.Random(0).random()
