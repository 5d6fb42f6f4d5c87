"""Reading the backbone that a model was made from."""

import os
from typing import TYPE_CHECKING, Final

import h5py
import numpy as np

from components.doctor.loading import check_model, is_keras, load_checked
from components.errors import DataRefused
from components.foreign.archives import check_h5, open_weights
from components.foreign.files import Unreadable

if TYPE_CHECKING:
    from components.diagnosis.source import SourceWeights

_WHAT: Final = "The source backbone"


def check_source(path: str) -> None:
    """Looks into the backbone's file without TensorFlow.

    Raises:
        DataRefused: It is neither a `.keras` file nor an `.h5` file of weights, or is not safe to load.
    """
    if not os.path.isfile(path):
        raise DataRefused(f"{_WHAT} must be a file; there is nothing at {path}.")
    if is_keras(path):
        check_model(path, _WHAT)
        return
    try:
        check_h5(path)
    except Unreadable as error:
        raise _refusal(f"{path} {error}") from None


def read_source(path: str) -> "SourceWeights":
    """Reads a `.keras` file, or an `.h5` file of weights as Keras' applications download them.

    Raises:
        DataRefused: It is neither, or cannot be loaded safely.
    """
    check_source(path)
    if is_keras(path):
        from components.diagnosis.source import weights_by_layer

        return weights_by_layer(load_checked(path, _WHAT))
    try:
        with open_weights(path) as file:
            found = {_text(name): _weights(file[_text(name)]) for name in file.attrs["layer_names"]}
    # What is named there may be missing, or of another kind than it should be.
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError) as error:
        raise _refusal(f"{path} is neither ({str(error) or type(error).__name__})") from None
    return {name: weights for name, weights in found.items() if weights}


def _refusal(said: str) -> DataRefused:
    return DataRefused(
        f"{_WHAT} must be a .keras file, or an .h5 file of weights by layer as Keras' applications download them; "
        f"{said}. Write one with backbone.save('backbone.keras')."
    )


def _weights(group: h5py.Group) -> list[np.ndarray]:
    return [np.asarray(group[_text(name)]) for name in group.attrs["weight_names"]]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
