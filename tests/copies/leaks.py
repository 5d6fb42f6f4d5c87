"""Splits that leak: validation shows what training shows, changed as people and their tools change pictures."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import affine_transform

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def moved(
    picture: np.ndarray,
    degrees: float = 0,
    move: tuple[float, float] = (0, 0),
    zoom: tuple[float, float] = (1, 1),
    fill: str = "nearest",
) -> np.ndarray:
    """A picture turned, moved (in pixels) and zoomed about its middle, as Keras' `apply_affine_transform` does it."""
    angle, middle = np.deg2rad(degrees), np.array(picture.shape[:2]) / 2 - 0.5
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag(zoom)
    start = middle - turn @ middle + turn @ np.array(move)
    channels = [
        affine_transform(picture[..., channel].astype(np.float32), turn, start, order=1, mode=fill)
        for channel in range(picture.shape[2])
    ]
    return np.clip(np.round(np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)


def lit(picture: np.ndarray, brightness: float, contrast: float) -> np.ndarray:
    """Brighter by a share of white, and with so much more contrast."""
    mean = picture.mean()
    changed = (picture - mean) * (1 + contrast) + mean + 255 * brightness
    return np.clip(np.round(changed), 0, 255).astype(np.uint8)


def mirrored(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return picture[:, ::-1]


def upside_down(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return picture[::-1]


def quarter_turned(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.rot90(picture, random.integers(1, 4))


def shifted(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """By up to a tenth of the side, either way."""
    row, column = random.uniform(-0.1, 0.1, 2) * len(picture)
    return moved(picture, move=(row, column))


def cropped(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """To 80 to 95 % of the side, anywhere, and zoomed to the whole again."""
    size = random.uniform(0.8, 0.95)
    row, column = random.uniform(-0.5, 0.5, 2) * (1 - size) * len(picture) / size
    return moved(picture, move=(row, column), zoom=(size, size))


def rotated(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """By up to 15 degrees."""
    return moved(picture, random.uniform(-15, 15))


def augmented(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """As `ImageDataGenerator`: flip, 15 degrees, a tenth of shift, zoom and light; edges are repeated or mirrored."""
    picture = picture[:, ::-1] if random.random() < 0.5 else picture
    row, column = random.uniform(-0.1, 0.1, 2) * len(picture)
    zoom = random.uniform(0.9, 1.1, 2)
    fill = ("nearest", "mirror")[int(random.integers(2))]
    changed = moved(picture, random.uniform(-15, 15), (row, column), (zoom[0], zoom[1]), fill)
    return lit(changed, *random.uniform(-0.1, 0.1, 2))


def film(picture: np.ndarray, random: np.random.Generator, number: int) -> np.ndarray:
    """Frames of a camera that drifts, zooms and adapts over one scene, and has noise: uint8 [n, side, side, 3]."""
    drift = np.cumsum(random.normal(0, 0.015, (number, 2)), axis=0) * len(picture)
    zoom, light = (np.cumsum(random.normal(0, deviation, number)) for deviation in (0.01, 0.01))
    frames = [
        lit(moved(picture, move=(row, column), zoom=(1 + closer, 1 + closer)), brighter, 0)
        for (row, column), closer, brighter in zip(drift, zoom, light, strict=True)
    ]
    noisy = np.stack(frames) + random.normal(0, 3, (number, *picture.shape))
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def changed_split(
    pictures: np.ndarray, change: Change, random: np.random.Generator, num_validation: int, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation, of which a share is training pictures, changed."""
    num_leaks = round(share * num_validation)
    train, clean = pictures[num_validation - num_leaks :], pictures[: num_validation - num_leaks]
    leaks = [change(picture, random) for picture in train[random.permutation(len(train))[:num_leaks]]]
    return train, np.stack([*clean, *leaks])


def augmented_split(
    pictures: np.ndarray, random: np.random.Generator, num_validation: int, share: float, copies: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation after so many augmented copies of each original were made, and split by chance.

    With a share, only so much of validation is of originals that training has, too.
    """
    return _split_of_groups(
        pictures,
        lambda picture: np.stack([augmented(picture, random) for _ in range(copies)]),
        random,
        num_validation,
        share,
        copies,
    )


def film_split(
    pictures: np.ndarray, random: np.random.Generator, num_validation: int, share: float, frames: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation that share films, each frame split by chance."""
    return _split_of_groups(
        pictures, lambda picture: film(picture, random, frames), random, num_validation, share, frames
    )


def _split_of_groups(
    pictures: np.ndarray,
    group: Callable[[np.ndarray], np.ndarray],
    random: np.random.Generator,
    num_validation: int,
    share: float,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    num_leaks = round(share * num_validation)
    num_clean = num_validation - num_leaks
    # Pictures of its own for the clean part, one of each; the others are groups, of which a quarter goes to validation.
    clean = [group(picture)[0] for picture in pictures[:num_clean]]
    num_groups = min(len(pictures) - num_clean, max(4 * num_validation // size, 600 // size))
    members = np.concatenate([group(picture) for picture in pictures[num_clean : num_clean + num_groups]])
    order = random.permutation(len(members))
    return members[order[num_leaks:]], np.stack([*clean, *members[order[:num_leaks]]])
