"""Reading the two splits that a model is examined on."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tensorflow as tf

from components.copies.store import PictureFile
from components.diagnosis.session import Examples
from components.doctor.arrays import is_arrays, read_arrays
from components.errors import DataRefused
from components.ingest.headers import HeaderRefused, check_header
from components.ingest.items import Broken, Listing, Raw, Reject
from components.ingest.names import op_message
from components.ingest.settings import DataSettings
from components.ingest.sources import classes_of, list_source, read_container
from components.transform.decoding import decode_image

MAX_EXAMPLES: Final = 5_000
# Decoded at 224 px they take 1.2 GB.
MAX_PICTURES: Final = 2_000
_SEED: Final = 0


@dataclass(frozen=True)
class Whole:
    """Every example of a split, to look for copies among."""

    inputs: np.ndarray
    """[n, ...], as they were given; pictures at most 64 x 64."""
    labels: np.ndarray
    """int64 [n]."""
    names: Sequence[str]
    """What to call each, n."""


@dataclass(frozen=True)
class Split(Examples):
    """Labelled inputs and where they come from; pictures are RGB 0..255 until they are preprocessed."""

    classes: tuple[str, ...] | None = None
    """The class names in order; None where the data have none."""
    is_pictures: bool = False
    """Whether the inputs are pictures that still have to be preprocessed."""
    rejects: tuple[Reject, ...] = ()
    num_found: int = 0
    """How many labelled examples there were; more than n when a sample was drawn or some were rejected."""
    names: Sequence[str] = ()
    """What to call each example, n."""
    rest: Whole | None = None
    """Every example, where a sample was drawn and it was asked for."""

    @property
    def whole(self) -> Whole:
        """Every example that is known."""
        return self.rest or Whole(self.inputs, self.labels, self.names)


def read_split(
    uri: str, image_size: tuple[int, int] | None, classes: Sequence[str] | None = None, whole: bool = False
) -> Split:
    """Reads an `.npz` with x and y, a class-per-folder tree, or TFRecords of labelled pictures.

    Args:
        uri: The file, folder or glob.
        image_size: Height and width that pictures are resized to; None: the first picture's.
        classes: The class names in order, for pictures; None: those of the data, sorted.
        whole: Whether to keep, of pictures that are not drawn, a small one of each to look for copies among.

    Raises:
        DataRefused: The data are missing, of the wrong form, or hold other classes.
    """
    if is_arrays(uri):
        return as_split(*read_arrays(uri), uri)
    return _read_pictures(uri, image_size, tuple(classes or ()), whole)


def split_of(data: Any, name: str) -> Split:
    """Takes a pair of arrays as a split; see `as_split`.

    Raises:
        DataRefused: It is no pair, or not that of a labelled split.
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise DataRefused(
            f"{name} must be a pair of arrays, (inputs, labels); received {type(data).__name__}. Of a tf.data.Dataset, "
            "take them out with list(dataset.unbatch().as_numpy_iterator())."
        )
    inputs, labels = data
    return as_split(inputs, labels, name)


def as_split(inputs: np.ndarray, labels: np.ndarray, name: str) -> Split:
    """Takes arrays as a split.

    Args:
        inputs: [n, ...], any number type: what the model takes, already preprocessed.
        labels: [n] or [n, 1] class indices, or one-hot [n, classes].
        name: What to call them in a complaint.

    Raises:
        DataRefused: Their shapes or values cannot be those of a labelled split.
    """
    inputs, labels = np.asarray(inputs), np.asarray(labels)
    if labels.dtype.kind not in "uifb":
        raise DataRefused(f"{name}: y must be class indices, numbered from 0; received values of type {labels.dtype}.")
    if inputs.ndim < 2 or inputs.dtype.kind not in "uifb" or not len(inputs):
        raise DataRefused(f"{name}: x must be numbers [n, ...] with n >= 1; received {inputs.dtype} {inputs.shape}.")
    if labels.ndim == 2 and labels.shape[1] > 1:
        if not np.isclose(labels.sum(axis=1), 1).all() or labels.min() < 0:
            raise DataRefused(f"{name}: y [n, classes] must be one-hot; received rows that do not add up to 1.")
        labels = labels.argmax(axis=1)
    given = labels.shape
    labels = labels.reshape(len(labels), -1)
    if labels.shape != (len(inputs), 1):
        raise DataRefused(f"{name}: y must be [n] class indices, n = {len(inputs)}; received {given}.")
    indices = labels[:, 0].astype(np.int64)
    if (indices != labels[:, 0]).any() or indices.min() < 0:
        raise DataRefused(f"{name}: y must be whole numbers >= 0; received others. Number the classes from 0.")
    chosen = _sample(len(inputs), MAX_EXAMPLES)
    if bad := int((~np.isfinite(inputs[chosen].reshape(len(chosen), -1)).all(axis=1)).sum()):
        raise DataRefused(f"{name}: x must be finite; {bad} of {len(chosen)} examples hold NaN or infinity.")
    names = _Numbered(name, np.arange(len(inputs)))
    return Split(
        inputs[chosen].astype(np.float32),
        indices[chosen],
        num_found=len(inputs),
        names=_Numbered(name, chosen),
        rest=None if len(chosen) == len(inputs) else Whole(inputs, indices, names),
    )


class _Numbered(Sequence[str]):
    """Names of an array's rows, made when they are asked for."""

    def __init__(self, name: str, rows: np.ndarray) -> None:
        self._name, self._rows = name, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: Any) -> Any:
        return f"{self._name}[{self._rows[position]}]"


def _read_pictures(uri: str, image_size: tuple[int, int] | None, classes: tuple[str, ...], whole: bool) -> Split:
    settings = DataSettings(uri=uri, given_splits="ignore")
    listing = list_source(settings)
    names = classes or classes_of(listing, settings)
    drawn, num_found = _drawn(listing, settings)
    rejects = list(listing.rejects)
    pictures: list[np.ndarray] = []
    labels: list[int] = []
    uris: list[str] = []
    for raw in drawn:
        if isinstance(raw, Reject):
            rejects.append(raw)
            continue
        picture = _decoded(raw, settings, image_size)
        if isinstance(picture, Reject):
            rejects.append(picture)
            continue
        image_size = image_size or (picture.shape[0], picture.shape[1])
        pictures.append(picture)
        labels.append(_index(raw, names, uri))
        uris.append(raw.uri)
    if not pictures:
        raise DataRefused(f"{uri}: expected pictures; none of {len(rejects)} could be read ({_reasons(rejects)}).")
    rest = (
        _every_one(listing, settings, pictures[0].shape[:2], names, uri) if whole and num_found > MAX_PICTURES else None
    )
    return Split(np.stack(pictures), np.array(labels), names, True, tuple(rejects), num_found, uris, rest)


def _every_one(
    listing: Listing, settings: DataSettings, image_size: tuple[int, ...], names: Sequence[str], uri: str
) -> Whole:
    kept, labels, uris = PictureFile(), [], []
    for container in listing.containers:
        for raw in map(_whole, read_container(container, settings)):
            picture = raw if isinstance(raw, Reject) else _decoded(raw, settings, (image_size[0], image_size[1]))
            if not isinstance(raw, Reject) and not isinstance(picture, Reject):
                kept.append(picture[None])
                labels.append(_index(raw, names, uri))
                uris.append(raw.uri)
    return Whole(kept.array(), np.array(labels), uris)


def _drawn(listing: Listing, settings: DataSettings) -> tuple[Iterable[Raw | Reject], int]:
    """At most MAX_PICTURES images, the same every time, and of how many they were drawn."""
    containers = listing.containers
    if all(container.kind == "file" for container in containers):
        chosen = _sample(len(containers), MAX_PICTURES)
        # One at a time: encoded photographs of a whole split need not fit into memory.
        return (_whole(one) for index in chosen for one in read_container(containers[index], settings)), len(containers)
    kept: list[Raw | Reject] = []
    random, total = np.random.default_rng(_SEED), 0
    for container in containers:
        for one in map(_whole, read_container(container, settings)):
            total += 1
            # Reservoir sampling, for a shard does not say how much it holds.
            place = int(random.integers(0, total))
            if len(kept) < MAX_PICTURES:
                kept.append(one)
            elif place < MAX_PICTURES:
                kept[place] = one
    return kept, total


def _whole(one: Raw | Reject | Broken) -> Raw | Reject:
    if isinstance(one, Broken):
        raise DataRefused(f"{one.uri}: the shard cannot be read to its end ({one.detail}).")
    return one


def _decoded(raw: Raw, settings: DataSettings, image_size: tuple[int, int] | None) -> np.ndarray | Reject:
    try:
        check_header(raw.data, settings.max_bytes, settings.max_pixels)
        picture = decode_image(tf.constant(raw.data))
    except HeaderRefused as error:
        return Reject(raw.uri, error.reason, error.detail)
    except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
        return Reject(raw.uri, "corrupt", op_message(error.message))
    return tf.image.resize(picture, image_size or picture.shape[:2], antialias=True).numpy()


def _index(raw: Raw, names: Sequence[str], uri: str) -> int:
    if raw.label not in names:
        raise DataRefused(
            f"{uri}: expected the classes of the training split, {', '.join(names)}; received {raw.label} "
            f"({raw.uri}). Name the same classes in both."
        )
    return names.index(raw.label)


def _sample(total: int, most: int) -> np.ndarray:
    """At most so many positions, in order, the same every time."""
    if total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(_SEED).choice(total, most, replace=False))


def _reasons(rejects: Sequence[Reject]) -> str:
    counts = Counter(one.reason for one in rejects)
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "there are none"
