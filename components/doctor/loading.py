"""Loading a model that somebody else wrote, without running anything that it brings along."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from components.errors import DataRefused

# Operations of a graph that read or write files, or call back into a process.
_UNSAFE_OPERATIONS: Final = frozenset(
    {
        *("ReadFile", "WriteFile", "MatchingFiles", "DeleteFile", "RenameFile", "CopyFile", "PrintV2"),
        *("PyFunc", "PyFuncStateless", "EagerPyFunc"),
        *("Save", "SaveSlices", "SaveV2", "RestoreV2", "MergeV2Checkpoints"),
        *("WholeFileReaderV2", "TextLineReaderV2", "TFRecordReaderV2", "FixedLengthRecordReaderV2"),
    }
)
# TensorFlow writes these into every SavedModel, for its own variables.
_OF_THE_SAVER: Final = frozenset({"SaveV2", "MergeV2Checkpoints", "RestoreV2"})


def load_model(path: str) -> keras.Model:
    """Loads a `.keras` file, or a SavedModel folder as a model with inference mode only.

    Raises:
        DataRefused: There is no such model, it brings code along, or it needs classes that are not Keras' own.
    """
    place = Path(path)
    if place.is_dir():
        return _load_saved_model(place)
    if not place.is_file():
        raise DataRefused(f"MODEL must be a .keras file or a SavedModel folder; there is nothing at {path}.")
    if not zipfile.is_zipfile(place):
        raise DataRefused(f"MODEL must be a .keras file or a SavedModel folder; {path} is neither. {_HOW_TO_SAVE}")
    return _load_keras(place)


_HOW_TO_SAVE: Final = "Write one with model.save('model.keras')."


def _load_keras(place: Path) -> keras.Model:
    for name in dict.fromkeys(_foreign_classes(_config(place))):
        if name == "Lambda":
            raise DataRefused(
                f"MODEL must not bring code along; {place} has a Lambda layer, which was not loaded. "
                "Replace it by a layer of Keras, or call frostgate.diagnose(model, ...) where the model is built."
            )
        raise DataRefused(
            f"MODEL must consist of Keras' own layers; {place} needs the class {name}, which was not loaded. "
            "Call frostgate.diagnose(model, ...) where that class is defined."
        )
    try:
        return keras.saving.load_model(place, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataRefused(f"MODEL must be a .keras file that this Keras can read; {place}: {first_line}") from None


def _config(place: Path) -> Any:
    with zipfile.ZipFile(place) as archive:
        if "config.json" not in archive.namelist():
            raise DataRefused(f"MODEL must be a .keras file; {place} is a zip file without config.json. {_HOW_TO_SAVE}")
        try:
            return json.loads(archive.read("config.json"))
        except ValueError:
            raise DataRefused(f"MODEL must be a .keras file; the config.json in {place} is damaged.") from None


def _foreign_classes(config: Any) -> Iterator[str]:
    """Names every class or function in a saved configuration that is not Keras' own, and every Lambda."""
    if isinstance(config, dict):
        name, module = config.get("class_name"), config.get("module")
        if name in ("Lambda", "__lambda__"):
            yield "Lambda"
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


def _load_saved_model(place: Path) -> keras.Model:
    file = place / "saved_model.pb"
    if not file.is_file():
        raise DataRefused(f"MODEL must be a .keras file or a SavedModel folder; {place} has no saved_model.pb.")
    signatures = _check_graph(file)
    if "serving_default" not in signatures:
        raise DataRefused(
            f"MODEL must have the signature serving_default; {place} has {', '.join(signatures) or 'none'}."
        )
    layer = keras.layers.TFSMLayer(str(place), call_endpoint="serving_default")
    inputs = signatures["serving_default"].inputs
    if len(inputs) != 1 or next(iter(inputs.values())).dtype == tf.string.as_datatype_enum:
        raise DataRefused(
            f"MODEL must take one batch of pixels; {place} takes {', '.join(inputs)} "
            f"({', '.join(tf.as_dtype(one.dtype).name for one in inputs.values())}). Give the .keras file instead."
        )
    shape = [size.size for size in next(iter(inputs.values())).tensor_shape.dim]
    pixels = keras.Input([None if size < 0 else size for size in shape[1:]])
    answer = layer(pixels)
    first = next(iter(answer.values())) if isinstance(answer, dict) else answer
    return keras.Model(pixels, first)


def _check_graph(file: Path) -> dict[str, Any]:
    graph = saved_model_pb2.SavedModel()
    try:
        graph.ParseFromString(file.read_bytes())
        meta = graph.meta_graphs[0]
    except Exception:
        raise DataRefused(f"MODEL must be a SavedModel; {file} is damaged.") from None
    functions = [node.op for function in meta.graph_def.library.function for node in function.node_def]
    unsafe = sorted({*functions, *(node.op for node in meta.graph_def.node)} & _UNSAFE_OPERATIONS - _OF_THE_SAVER)
    if unsafe:
        raise DataRefused(
            f"MODEL must not touch files or call code; {file.parent} has the operations {', '.join(unsafe)}, "
            "and was not loaded."
        )
    return dict(meta.signature_def)
