"""Gets the backbone's weights from a download or a file, and loads them."""

import os
import shutil
import warnings
from pathlib import Path
from typing import Final

import keras
import numpy as np

from components import whole_files
from components.backbone import kinds
from components.backbone.kinds import Backbone
from components.backbone.shapes import first_difference
from components.errors import DataRefused
from components.foreign.archives import check_h5, check_keras
from components.foreign.files import Unreadable
from components.ingest import storage

_SUFFIXES: Final = (".weights.h5", ".h5", ".keras")
# The largest network of Keras' applications has 1.4 GB.
_MOST_BYTES: Final = 4 * 2**30


def download_imagenet(kind: Backbone, cache_dir: str) -> Path:
    """Downloads the ImageNet weights of a backbone without its classifier, unless the cache has them.

    Args:
        kind: A backbone whose weights are published.
        cache_dir: Folder that keeps the file between runs; a file there with another hash is fetched again.

    Raises:
        DataRefused: The file could not be fetched, or is not what was published.
    """
    assert kind.published is not None, "the configuration was checked"
    url, digest = kind.published.url, kind.published.digest
    try:
        return Path(keras.utils.get_file(Path(url).name, url, file_hash=digest, cache_dir=cache_dir))
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataRefused(
            f"backbone.weights is imagenet, but {url} could not be fetched ({reason}). "
            "Give a local file with backbone.weights=FILE.weights.h5, or use backbone.weights=pretrain."
        ) from error


def fetch(uri: str, expected_sha256: str, cache_dir: str) -> Path:
    """Copies a weights file from a path or uri into the cache.

    Args:
        uri: Local path or any address fsspec reads.
        expected_sha256: Hex hash the file must have; empty accepts any.
        cache_dir: Folder that keeps the copy.

    Raises:
        DataRefused: The file is missing, of another kind, or has another hash.
    """
    suffix = next((suffix for suffix in _SUFFIXES if uri.lower().endswith(suffix)), None)
    if suffix is None:
        raise DataRefused(
            "backbone.weights must be pretrain, imagenet, none or a file ending in "
            f"{', '.join(_SUFFIXES)}; received {uri}."
        )
    folder = Path(cache_dir)
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"incoming-{os.getpid()}{suffix}"
    try:
        with storage.opened(uri, _MOST_BYTES) as source, open(copy, "wb") as target:
            shutil.copyfileobj(source, target)
    # Every store raises errors of its own, and many of them are no OSError.
    except Exception as error:
        copy.unlink(missing_ok=True)
        raise DataRefused(
            f"backbone.weights must be a readable file; {uri} is not ({error}). Correct the path or the rights."
        ) from error
    sha256 = whole_files.sha256_of(copy)
    if expected_sha256 and sha256 != expected_sha256:
        copy.unlink()
        raise DataRefused(f"backbone.sha256 is {expected_sha256}, but {uri} has {sha256}. Use the file that was meant.")
    return copy.replace(folder / f"{sha256}{suffix}")


def load(backbone: keras.Model, path: str | os.PathLike[str], name: str = "") -> None:
    """Loads weights alone, so nothing that a crafted file describes is ever built or run.

    Args:
        backbone: A network of one of the kinds.
        path: A `.weights.h5`, `.h5` or `.keras` file.
        name: What a refusal calls the file, where `path` is a copy; empty for `path`.

    Raises:
        DataRefused: The file is damaged, unpacks to more than weights would, or its weights are not this backbone's.
    """
    title, name = kinds.of(backbone).title, name or str(path)
    expected = f"Expected weights of a {title} without its classifier"
    try:
        check_keras(path) if str(path).endswith(".keras") else check_h5(path)
    except Unreadable as error:
        raise DataRefused(f"{expected}; {name} {error}. Give the file as it was written.") from error
    try:
        load_strictly(backbone, path)
    except ValueError as error:
        raise DataRefused(
            f"{expected}; {name} holds others: {_why(backbone, path) or error}. "
            "Set backbone.kind to the network that the file was saved from, or give another file."
        ) from error
    for weight in backbone.weights:
        values = weight.numpy()
        if not np.isfinite(values).all() or (weight.name == "moving_variance" and (values < 0).any()):
            raise DataRefused(
                f"{expected}; {name} has a number in {weight.path} that no training leaves there: {_worst(values):g}. "
                "Give another file."
            )


def refuse_surplus(backbone: keras.Model, path: str | os.PathLike[str], name: str) -> None:
    """Refuses a file with more layers than the network, of which Keras reads only those that it knows.

    Args:
        backbone: A network of one of the kinds, into which the file was loaded.
        path: The file.
        name: What a refusal calls it.

    Raises:
        DataRefused: It has a kernel that the network has not.
    """
    if difference := _why(backbone, path):
        raise DataRefused(
            f"Expected weights of a {kinds.of(backbone).title} without its classifier; {name} holds others: "
            f"{difference}. Set backbone.kind to the network that the file was saved from, or save the network alone."
        )


def _worst(values: np.ndarray) -> float:
    return float(values[~np.isfinite(values)][0] if not np.isfinite(values).all() else values.min())


def _why(backbone: keras.Model, path: str | os.PathLike[str]) -> str | None:
    try:
        return first_difference(backbone, path)
    # The file is refused in any case; an error while explaining that must not hide the refusal.
    except Exception:
        return None


def load_strictly(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Loads all of a model's weights from a file that Keras wrote, and nothing but weights.

    Raises:
        ValueError: The file does not have them all, in these shapes.
    """
    try:
        with warnings.catch_warnings():
            # Keras only warns of weights that it does not find, and goes on with random ones.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(str(path))
    except Exception as error:
        raise ValueError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
