"""Which leaks does the search for copies hold, and which clean splits does it let pass?

    python benchmarks/leaks.py [--seeds 30] [--processes 1]

Each split is drawn anew from each seed and searched as the gate searches it; held is what has 5 % of copies
(`MOST_COPIES`). An hour of one core. Real pictures are used where they lie (`tests/copies/families.py`). Writes
`benchmarks/results/leaks.md`.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np
from whole_run import RESULTS

sys.path.insert(0, str(Path(__file__).parents[1]))

from components.copies.counting import CopyCounts, what_counts
from components.copies.search import find_copies
from components.intervals import Counts, wilson
from tests.copies import families, leaks

CHANGES: Final = {
    "flipped left and right": leaks.mirrored,
    "flipped upside down": leaks.upside_down,
    "quarter turns": leaks.quarter_turned,
    "shifted by up to 10 %": leaks.shifted,
    "cropped to 80 to 95 %": leaks.cropped,
    "turned by up to 15 degrees": leaks.rotated,
}
# Validation pictures, and which share of them training has as well.
STRENGTHS: Final = {"most": (40, 0.9), "a tenth": (100, 0.1)}
CIFAR: Final = "CIFAR-10"
DIGITS: Final = "digits 5 to 9"
CLEAN: Final[dict[str, tuple[families.Family, int, int]]] = {
    DIGITS: (families.digits_5_to_9, 700, 100),
    "painted digits": (families.painted_digits, 700, 100),
    "striped fields": (families.striped_fields, 700, 100),
    "dark shapes on white": (families.dark_shapes_on_white, 400, 100),
    "grey gradients": (families.smooth_gradients, 400, 100),
    "skies with grain": (families.skies, 400, 100),
    "one fixed camera": (families.frames_of_one_camera, 400, 100),
    "structure of every size": (families.photographs, 400, 100),
    "plain discs on white": (families.plain_discs, 400, 100),
    "numbers typed on white": (families.typed_numbers, 400, 100),
}


@dataclass(frozen=True)
class Cell:
    """One row of a table."""

    data: str
    kind: str
    strength: str
    build: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def main() -> None:
    """Searches, counts, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--processes", type=int, default=1)
    told = parser.parse_args()
    found = {}
    with ProcessPoolExecutor(told.processes) as pool:
        for cell in cells():
            found[cell] = list(
                pool.map(partial(searched, cell), range(told.seeds), chunksize=told.seeds // told.processes)
            )
            print(row(cell, found[cell]), flush=True)
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / "leaks.md").write_text(report(found))


def searched(cell: Cell, seed: int) -> CopyCounts:
    """The counts of one split; every picture has the same label."""
    train, validation = cell.build(np.random.default_rng([20_201_130, seed]))
    labels = np.zeros(len(validation), np.int64)
    return what_counts(find_copies(train, validation), labels, np.zeros(len(train), np.int64))[1]


def cells() -> Iterator[Cell]:
    """Clean splits first."""
    sources: dict[str, families.Family] = {DIGITS: families.digits_5_to_9}
    if families.real_pictures("cifar10-train.tar.gz"):
        sources[CIFAR] = cifar
        yield Cell(CIFAR, "clean", "none", partial(clean, cifar, 2_000, 100))
    else:
        print("CIFAR-10 is left out: its pictures are not there (FROSTGATE_REAL_PICTURES).")
    if families.real_pictures("photos-food.tar"):
        yield Cell("750 photographs of food", "clean", "none", partial(clean, food, 600, 100))
    for name, (family, num_train, num_validation) in CLEAN.items():
        yield Cell(name, "clean", "none", partial(clean, family, num_train, num_validation))
    for strength in STRENGTHS:
        for name, family in sources.items():
            yield Cell(
                name, "augmented, then split", strength, partial(grouped, family, leaks.augmented_split, strength)
            )
            yield Cell(name, "frames of films", strength, partial(grouped, family, leaks.film_split, strength))
        for kind, change in CHANGES.items():
            for name, family in sources.items():
                yield Cell(name, kind, strength, partial(changed, family, change, strength))


def clean(
    family: families.Family, num_train: int, num_validation: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Different pictures in both."""
    pictures = family(random, num_train + num_validation)
    return pictures[num_validation:], pictures[:num_validation]


def changed(
    family: families.Family, change: leaks.Change, strength: str, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Validation has training pictures, changed."""
    return leaks.changed_split(family(random, 850), change, random, *STRENGTHS[strength])


def grouped(
    family: families.Family,
    split: Callable[..., tuple[np.ndarray, np.ndarray]],
    strength: str,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Validation has pictures of what training has pictures of."""
    return split(family(random, 850), random, *STRENGTHS[strength])


@cache
def _archive(name: str, side: int) -> np.ndarray:
    path = families.real_pictures(name)
    assert path is not None, "asked for where it is not"
    return families.of_archive(path, np.random.default_rng(0), 6_000, side)


def cifar(random: np.random.Generator, number: int) -> np.ndarray:
    """Some of CIFAR-10's training pictures."""
    whole = _archive("cifar10-train.tar.gz", 32)
    return whole[random.permutation(len(whole))[:number]]


def food(random: np.random.Generator, number: int) -> np.ndarray:
    """Some of the photographs of food."""
    whole = _archive("photos-food.tar", 64)
    return whole[random.permutation(len(whole))[:number]]


def row(cell: Cell, counts: Sequence[CopyCounts]) -> str:
    """How many were held, in a table's row."""
    held = Counts(sum(one.are_many for one in counts), len(counts))
    interval = wilson(held, 0.95)
    shares = np.array([one.share for one in counts])
    middle, least, most = np.median(shares), shares.min(), shares.max()
    return (
        f"| {cell.data} | {cell.kind} | {cell.strength} | {held.correct} of {held.total} "
        f"| {interval.low:.2f} to {interval.high:.2f} | {middle:.1%} ({least:.1%} to {most:.1%}) |"
    )


def report(found: dict[Cell, list[CopyCounts]]) -> str:
    """Both tables."""
    head = [
        "| pictures | kind | of validation | held | bounds, 95 % each | share found: middle (least to most) |",
        "|---|---|---|---|---|---|",
    ]
    of_leaks = [row(cell, counts) for cell, counts in found.items() if cell.kind != "clean"]
    of_clean = [row(cell, counts) for cell, counts in found.items() if cell.kind == "clean"]
    parts = ["# Leaks", "", "## Splits that leak: held is right", "", *head, *of_leaks]
    return "\n".join([*parts, "", "## Clean splits: held is wrong", "", *head, *of_clean, ""])


if __name__ == "__main__":
    main()
