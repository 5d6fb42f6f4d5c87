"""Reading the backbone that a model was made from."""

import zipfile

import h5py
import numpy as np

from components.diagnosis.source import SourceWeights, weights_by_layer
from components.doctor.loading import load_model
from components.errors import DataRefused


def read_source(path: str) -> SourceWeights:
    """Reads a `.keras` file, or an `.h5` file of weights as Keras' applications download them.

    Raises:
        DataRefused: It is neither, or cannot be loaded safely.
    """
    if zipfile.is_zipfile(path):
        return weights_by_layer(load_model(path))
    try:
        with h5py.File(path) as file:
            found = {_text(name): _weights(file[_text(name)]) for name in file.attrs["layer_names"]}
    except FileNotFoundError:
        raise DataRefused(f"The source backbone must be a file; there is nothing at {path}.") from None
    except (OSError, KeyError) as error:
        raise DataRefused(
            "The source backbone must be a .keras file, or an .h5 file of weights by layer as Keras' applications "
            f"download them; {path} is neither ({error}). Write one with backbone.save('backbone.keras')."
        ) from None
    return {name: weights for name, weights in found.items() if weights}


def _weights(group: h5py.Group) -> list[np.ndarray]:
    return [np.asarray(group[_text(name)]) for name in group.attrs["weight_names"]]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
