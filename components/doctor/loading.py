"""Loading a model that somebody else wrote, without running anything that it brings along."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from components.errors import DataRefused
from components.foreign import json_text
from components.foreign.archives import check_keras
from components.foreign.files import Unreadable
from components.ingest.names import escaped

if TYPE_CHECKING:
    import keras
    from tensorboard.compat.proto import meta_graph_pb2

# Layers of Keras whose configuration is code, or names some.
_CODE: Final = {
    **{"Lambda": "Lambda", "__lambda__": "Lambda"},
    **{name: name for name in ("TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")},
}
_HOW_TO_SAVE: Final = "Write one with model.save('model.keras')."


def is_keras(path: str) -> bool:
    """Whether Keras takes a file for its own kind; it goes by the name."""
    return path.endswith(".keras")


def check_model(path: str, what: str = "MODEL") -> None:
    """Looks into a model's file without TensorFlow: a refusal takes no longer than reading it.

    Args:
        path: A `.keras` file or a SavedModel folder.
        what: What to call it in a complaint.

    Raises:
        DataRefused: There is no such model, it is damaged, unpacks to more than a model's weights would, brings code
            along, or needs classes that are not Keras' own.
    """
    place = Path(path)
    if place.is_dir():
        if not (place / "saved_model.pb").is_file():
            raise DataRefused(f"{what} must be a .keras file or a SavedModel folder; {place} has no saved_model.pb.")
        _checked_graph(place, what)
        return
    if not place.is_file():
        raise DataRefused(f"{what} must be a .keras file or a SavedModel folder; there is nothing at {path}.")
    # Keras goes by the suffix too: another one lets it read a zip file as HDF5.
    if not (is_keras(path) and zipfile.is_zipfile(place)):
        raise DataRefused(f"{what} must be a .keras file or a SavedModel folder; {path} is neither. {_HOW_TO_SAVE}")
    try:
        config = check_keras(place)
    except Unreadable as error:
        raise DataRefused(f"{what} must be a .keras file; {place} {error}. {_HOW_TO_SAVE}") from None
    _check_classes(place, config, what)


def load_model(path: str, what: str = "MODEL") -> "keras.Model":
    """Loads a `.keras` file, or a SavedModel folder as a model with inference mode only.

    Raises:
        DataRefused: As for `check_model`; or Keras or TensorFlow cannot load it.
    """
    check_model(path, what)
    return load_checked(path, what)


def load_checked(path: str, what: str = "MODEL") -> "keras.Model":
    """Loads what `check_model` let pass.

    Raises:
        DataRefused: Keras or TensorFlow cannot load it.
    """
    place = Path(path)
    return _load_saved_model(place, what) if place.is_dir() else _load_keras(place, what)


def _check_classes(place: Path, config: bytes, what: str) -> None:
    try:
        names = list(dict.fromkeys(_foreign_classes(json_text.parse(config))))
    except Unreadable as error:
        raise DataRefused(f"{what} must be a .keras file; the config.json in {place} {error}.") from None
    for name in names:
        if name in _CODE.values():
            raise DataRefused(
                f"{what} must not bring code along; {place} has a {name} layer, which was not loaded. "
                "Replace it by a layer of Keras, or call frostgate.diagnose(model, ...) where the model is built."
            )
        raise DataRefused(
            f"{what} must consist of Keras' own layers; {place} needs the class {name}, which was not loaded. "
            "Call frostgate.diagnose(model, ...) where that class is defined."
        )


def _load_keras(place: Path, what: str) -> "keras.Model":
    import keras

    try:
        return keras.saving.load_model(place, safe_mode=True)
    # What a configuration can make go wrong is anything: each layer has its own way.
    except Exception as error:
        raise DataRefused(
            f"{what} must be a .keras file that this Keras can read; {place}: {_first_line(error)}"
        ) from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _foreign_classes(config: Any) -> Iterator[str]:
    """Names every class or function in a saved configuration that is not Keras' own, and every layer of code."""
    if isinstance(config, dict):
        name, module = config.get("class_name"), config.get("module")
        if isinstance(name, str) and name in _CODE:
            yield _CODE[name]
        elif isinstance(name, str) and "config" in config and not _is_keras(config, module):
            yield str(config.get("registered_name") or name)
        for inner in config.values():
            yield from _foreign_classes(inner)
    elif isinstance(config, list):
        for inner in config:
            yield from _foreign_classes(inner)


def _is_keras(config: dict[str, Any], module: Any) -> bool:
    if isinstance(module, str):
        return module == "keras" or module.startswith("keras.") or module == "builtins"
    # Serialised tensors, dtypes and shapes have no module.
    return config.get("registered_name") is None


def _checked_graph(place: Path, what: str) -> "meta_graph_pb2.MetaGraphDef":
    from components.foreign import saved_models

    try:
        return saved_models.read(place)
    except Unreadable as error:
        raise DataRefused(
            f"{what} must be a SavedModel that only computes; {place} {escaped(str(error))}, and was not loaded. Write "
            "one with model.export(folder), or call frostgate.diagnose(model, ...) where the model is built."
        ) from None


def _load_saved_model(place: Path, what: str) -> "keras.Model":
    import keras
    import tensorflow as tf

    signatures = _checked_graph(place, what).signature_def
    if "serving_default" not in signatures:
        raise DataRefused(
            f"{what} must have the signature serving_default; {place} has {', '.join(signatures) or 'none'}."
        )
    inputs = signatures["serving_default"].inputs
    if len(inputs) != 1 or next(iter(inputs.values())).dtype == tf.string.as_datatype_enum:
        raise DataRefused(
            f"{what} must take one batch of pixels; {place} takes {', '.join(inputs)} "
            f"({', '.join(tf.as_dtype(one.dtype).name for one in inputs.values())}). Give the .keras file instead."
        )
    shape = [size.size for size in next(iter(inputs.values())).tensor_shape.dim]
    try:
        layer = keras.layers.TFSMLayer(str(place), call_endpoint="serving_default")
        pixels = keras.Input([None if size < 0 else size for size in shape[1:]])
        answer = layer(pixels)
    # A missing variable, an operation of another version: TensorFlow has an error for each.
    except Exception as error:
        raise DataRefused(
            f"{what} must be a SavedModel that this TensorFlow can load; {place}: {_first_line(error)}"
        ) from None
    first = next(iter(answer.values())) if isinstance(answer, dict) else answer
    return keras.Model(pixels, first)
