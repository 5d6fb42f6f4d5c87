"""Families of pictures of which no two are copies, however much alike they are."""

import io
import os
import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from components.cases import pictures as drawn

SIDE = 64
Family = Callable[[np.random.Generator, int], np.ndarray]


def dark_shapes_on_white(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 64, 64, 3]: round things photographed on white, all about as large and about in the middle."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    found = []
    for _ in range(number):
        row, column = random.uniform(-0.03, 0.03, 2)
        angle, distance = np.arctan2(rows - row, columns - column), np.hypot(rows - row, columns - column)
        edge = np.full_like(angle, random.uniform(0.25, 0.35))
        for lobes in range(2, 6):
            edge *= 1 + 0.01 * random.normal() * np.cos(lobes * angle + random.uniform(0, 2 * np.pi))
        inside = np.clip((edge - distance) * SIDE / 1.5 + 0.5, 0, 1)[..., None]
        found.append(250 + (random.uniform(10, 50, 3) - 250) * inside)
    return np.clip(np.round(found), 0, 255).astype(np.uint8)


def smooth_gradients(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 64, 64, 3]: from one grey to another, in any direction."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    found = []
    for _ in range(number):
        angle, (low, high) = random.uniform(0, 2 * np.pi), random.uniform(30, 225, 2)
        grey = low + (high - low) * (columns * np.cos(angle) + rows * np.sin(angle) + 0.5)
        found.append(np.repeat(grey[..., None], 3, axis=2))
    return np.clip(np.round(found), 0, 255).astype(np.uint8)


def skies(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 64, 64, 3]: blue above, pale below, and the grain of a sensor."""
    height = (np.mgrid[:SIDE, :SIDE][0] / SIDE)[None, ..., None] ** random.uniform(0.7, 1.4, (number, 1, 1, 1))
    top = np.array([90, 140, 210]) + random.uniform(-25, 25, (number, 1, 1, 3))
    bottom = np.array([190, 205, 230]) + random.uniform(-25, 25, (number, 1, 1, 3))
    plain = top + (bottom - top) * height
    return np.clip(np.round(plain + random.normal(0, 2, plain.shape)), 0, 255).astype(np.uint8)


def frames_of_one_camera(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 64, 64, 3]: one yard in changing light; in half of the frames there is something in it."""
    yard = gaussian_filter(np.random.default_rng(5).normal(size=(SIDE, SIDE, 3)), (2, 2, 0))
    frames = np.repeat((128 + 60 * yard / yard.std())[None], number, axis=0)
    for frame in frames[::2]:
        size = int(random.integers(6, 13))
        row, column = random.integers(0, SIDE - size, 2)
        frame[row : row + size, column : column + size] = random.uniform(0, 255, 3)
    frames *= random.uniform(0.85, 1.15, (number, 1, 1, 1))
    return np.clip(frames + random.normal(0, 3, frames.shape), 0, 255).astype(np.uint8)


def photographs(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 64, 64, 3]: structure of every size, as in photographs of many things."""
    found = np.zeros((number, SIDE, SIDE, 3))
    for width in (1, 2, 4, 8, 16):
        layer = gaussian_filter(random.normal(size=found.shape), (0, width, width, 0.5))
        found += width**0.5 * layer / layer.std()
    return np.clip(128 + 18 * found, 0, 255).astype(np.uint8)


def digits(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 32, 32, 3]: handwritten digits, of which many are written alike."""
    white = np.stack([picture for _, picture in drawn.digits()])
    chosen = random.permutation(len(white))[:number]
    return np.repeat(np.round(255 * white[chosen]).clip(0, 255)[..., None], 3, axis=3).astype(np.uint8)


def digits_5_to_9(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 32, 32, 3]: the five classes that are embedded, at most 896 pictures."""
    return of_files(drawn.plain_digits(), random, number)


def painted_digits(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 32, 32, 3]: the same, in colours and noise."""
    return of_files(drawn.painted_digits(), random, number)


def striped_fields(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 32, 32, 3]: stripes of 21 kinds."""
    return of_files(drawn.patterns(), random, number)


def plain_discs(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 64, 64, 3]: drawn with four numbers: a dark disc of any size and darkness, anywhere on white."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    place = random.uniform(0.35 * SIDE, 0.65 * SIDE, (number, 2, 1, 1))
    radius = random.uniform(0.1 * SIDE, 0.3 * SIDE, (number, 1, 1))
    distance = np.hypot(rows - place[:, 0], columns - place[:, 1])
    inside = np.clip(radius - distance + 0.5, 0, 1)
    grey = 250 - random.uniform(100, 240, (number, 1, 1)) * inside
    return np.repeat(np.round(grey)[..., None], 3, axis=3).astype(np.uint8)


def typed_numbers(random: np.random.Generator, number: int) -> np.ndarray:
    """uint8 [n, 64, 64, 3]: numbers of three digits in one typeface, of some sizes, anywhere on white."""
    found = []
    for value in random.permutation(900)[:number]:
        picture = Image.new("RGB", (SIDE, SIDE), "white")
        font = ImageFont.load_default(int(random.integers(18, 27)))
        place = random.uniform(2, 12, 2)
        ImageDraw.Draw(picture).text((place[0], place[1] + 12), str(100 + value), "black", font)
        found.append(np.asarray(picture))
    return np.stack(found)


def of_files(files: Mapping[str, bytes], random: np.random.Generator, number: int) -> np.ndarray:
    """Some encoded pictures, in any order."""
    encoded = list(files.values())
    chosen = random.permutation(len(encoded))[:number]
    return np.stack([np.asarray(Image.open(io.BytesIO(encoded[position]))) for position in chosen])


def real_pictures(name: str) -> Path | None:
    """A file of real pictures beside the checkout, or where FROSTGATE_REAL_PICTURES says; None where there is none."""
    folder = os.environ.get("FROSTGATE_REAL_PICTURES", Path(__file__).parents[3] / "shared" / "data")
    path = Path(folder) / name
    return path if path.exists() else None


def of_archive(path: Path, random: np.random.Generator, number: int, side: int) -> np.ndarray:
    """uint8 [n, side, side, 3]: some of an archive's pictures."""
    found = [
        np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR))
        for _, picture in in_archive(
            path, lambda names: [names[position] for position in random.permutation(len(names))[:number]]
        )
    ]
    return random.permutation(np.stack(found))


def in_archive(path: Path, choose: Callable[[list[str]], Collection[str]]) -> Iterator[tuple[str, Image.Image]]:
    """Yields the names and pictures, in RGB, that are chosen of an archive's sorted names, in the archive's order."""
    with tarfile.open(path) as archive:
        names = sorted(name for name in archive.getnames() if name.endswith((".jpg", ".jpeg", ".png")))
        chosen = set(choose(names))
        for member in archive:
            if member.name in chosen:
                yield member.name, Image.open(archive.extractfile(member)).convert("RGB")  # type: ignore[arg-type]
