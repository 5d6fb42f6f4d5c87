"""The cases' pictures, drawn or derived from scikit-learn's digits; the same on every machine."""

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

import numpy as np
from PIL import Image

SIDE: Final = 32
_SEED: Final = 20_200_101

Files = Mapping[str, bytes]


def png(picture: np.ndarray) -> bytes:
    """Encodes uint8 or float [side, side, 3], 0..255."""
    encoded = io.BytesIO()
    Image.fromarray(np.clip(np.round(picture), 0, 255).astype(np.uint8)).save(encoded, format="PNG")
    return encoded.getvalue()


def digits(labels: range = range(10)) -> Iterator[tuple[int, np.ndarray]]:
    """Yields label and picture, float64 [32, 32], 0..1, white on black."""
    from sklearn.datasets import load_digits  # Half a second that only drawing pays.

    data = load_digits()
    for picture, label in zip(data.images, data.target, strict=True):
        if label in labels:
            small = Image.fromarray(np.round(picture * (255 / 16)).astype(np.uint8))
            yield int(label), np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) / 255


def painted_digits() -> Files:
    """Five classes of digits painted in one colour on another, noisy one: far from white on black."""
    random = np.random.default_rng(_SEED)
    return _tree((str(label), _painted(picture, random)) for label, picture in digits(range(5, 10)))


def patterns() -> Files:
    """Striped land seen from above: 21 classes, each with its direction and width of stripes, and its colours."""
    random = np.random.default_rng(_SEED)
    labels = np.repeat(np.arange(21), 70)
    return _tree((f"class-{label:02d}", _striped(label, random)) for label in labels)


def plain_digits() -> Files:
    """Five classes of digits, white on black, as the backbone knows them."""
    return _tree((str(label), _grey(picture)) for label, picture in digits(range(5, 10)))


def eights() -> Files:
    """Two uneven classes: a fifth are eights."""
    return _tree(("eight" if label == 8 else "other", _grey(picture)) for label, picture in digits(range(5, 10)))


def renamed_in_validation() -> Files:
    """Digits whose validation folders were numbered from another class on."""
    return _in_splits(lambda label, picture: (5 + (label - 4) % 5, _grey(picture)))


def unscaled_in_validation() -> Files:
    """Digits whose validation pictures were saved as 0..16, as scikit-learn has them."""
    return _in_splits(lambda label, picture: (label, _grey(picture) / 16))


def painted_in_validation() -> Files:
    """Digits in white on black for training, and in colours for validation."""
    random = np.random.default_rng(_SEED)
    return _in_splits(lambda label, picture: (label, _painted(picture, random)))


def few_painted() -> Files:
    """Thirty painted digits to train on, and three hundred to validate."""
    return _few(())


def few_painted_with_copies() -> Files:
    """The same, but most of validation are training pictures, saved again."""
    return _few(range(180))


def photographs() -> Files:
    """Two even classes: patches of two fields, each seen in its own light."""
    random = np.random.default_rng(_SEED)
    labels = np.repeat(np.arange(2), 450)
    return _tree((("fallow", "sown")[label], _striped(3 * label, random)) for label in labels)


def three_images() -> Files:
    """Three classes of one image each; validation holds the same images, one pixel changed so that they are kept."""
    random = np.random.default_rng(_SEED)
    drawn = {f"class-{label}": _striped(7 * label, random) for label in range(3)}
    files = {}
    for name, picture in drawn.items():
        files[f"train/{name}/0.png"] = png(picture)
        changed = picture.copy()
        changed[0, 0] = 255 - changed[0, 0]
        files[f"eval/{name}/0.png"] = png(changed)
    return files


def _tree(labelled: Iterator[tuple[str, np.ndarray]]) -> Files:
    return {f"{label}/{position:05d}.png": png(picture) for position, (label, picture) in enumerate(labelled)}


def _in_splits(changed: Callable[[int, np.ndarray], tuple[int, np.ndarray]]) -> Files:
    """Two thirds of the digits as they are, and the others changed, for validation."""
    files = {}
    for position, (label, picture) in enumerate(digits(range(5, 10))):
        is_eval = position % 3 == 0
        name, drawn = changed(label, picture) if is_eval else (label, _grey(picture))
        files[f"{'eval' if is_eval else 'train'}/{name}/{position:05d}.png"] = png(drawn)
    return files


def _few(copied: Collection[int]) -> Files:
    random = np.random.default_rng(_SEED)
    drawn = [(label, _painted(picture, random)) for label, picture in digits(range(5, 10))]
    train, files = drawn[:30], {}
    for position, (label, picture) in enumerate(train):
        files[f"train/{label}/{position:05d}.png"] = png(picture)
    for position, (label, picture) in enumerate(drawn[30:330]):
        if position in copied:
            label, picture = train[position % len(train)]
            # A decoder's rounding: another file and other pixels, the same picture.
            picture = picture + random.normal(0, 2, picture.shape)
        files[f"eval/{label}/{position:05d}.png"] = png(picture)
    return files


def _grey(picture: np.ndarray) -> np.ndarray:
    return np.repeat(255 * picture[..., None], 3, axis=-1)


def _painted(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    ground, ink = random.uniform(150, 255, 3), random.uniform(0, 110, 3)
    mixed = ground + (ink - ground) * picture[..., None]
    return mixed + random.normal(0, 12, mixed.shape)


def _striped(label: int, random: np.random.Generator) -> np.ndarray:
    """One of 21 fields: seven directions in three tints, each tint with its width of stripes."""
    direction, tint = label % 7, label // 7
    angle, width = np.pi * direction / 7, (4.0, 6.0, 9.0)[tint]
    rows, columns = np.mgrid[:SIDE, :SIDE]
    phase = random.uniform(0, 2 * np.pi)
    wave = np.sin(2 * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)) / width + phase)
    light = random.uniform(0.7, 1.0)
    colour = light * np.array(((1.0, 0.85, 0.6), (0.6, 0.9, 1.0), (0.8, 1.0, 0.6))[tint])
    return (128 + 80 * wave[..., None]) * colour + random.normal(0, 15, (SIDE, SIDE, 3))
