"""Which operations the graph of a SavedModel may have: those that compute.

See docs/decisions/0020-operations-of-a-saved-model.md. Nothing here imports TensorFlow: TensorBoard has its messages,
and its operations stand in the files that it is installed as.
"""

import functools
import os
import re
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import (
    attr_value_pb2,
    function_pb2,
    meta_graph_pb2,
    node_def_pb2,
    saved_object_graph_pb2,
)

from components.foreign.files import Unreadable, read_bytes

# One file of TensorFlow's sources each; what touches files, networks and processes is in others (io, dataset, debug).
_FAMILIES: Final = (
    *("array", "bitwise", "control_flow", "functional", "image", "linalg", "list", "lookup", "manip", "math", "nn"),
    *("parsing", "ragged_array", "ragged_conversion", "ragged_math", "random", "resource_variable", "rnn", "sparse"),
    *("special_math", "spectral", "stateful_random", "stateless_random", "stateless_random_ops_v2", "string"),
)
# Those reach further all the same, though most are stateless by TensorFlow's own account.
_EXCEPTIONS: Final = frozenset(
    {
        *("ImmutableConst", "InitializeTableFromTextFile", "InitializeTableFromTextFileV2"),  # Read a file.
        "Abort",  # Ends the process.
        "RemoteCall",  # Runs elsewhere.
        *("MutexV2", "MutexLock", "ConsumeMutexLock"),  # May wait for ever.
        "DecodeCompressed",  # Unpacks gigabytes.
    }
)
_OTHERS: Final = frozenset({"Assert", "DynamicPartition", "DynamicStitch", "ParallelDynamicStitch"})
# TensorFlow writes them into every SavedModel; it reads the variables by other means.
_OF_THE_SAVER: Final = frozenset({"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"})
_TABLE_FROM_FILE: Final = "InitializeTableFromTextFileV2"
# How operations are called; what TensorFlow traces is called `__inference_serve_12`.
_OPERATION: Final = re.compile(r"_*[A-Z][A-Za-z0-9]*(>[A-Za-z0-9]+)*")
_WRITTEN: Final = re.compile(r'^(\w+) = tf_export\("raw_ops\.\1"\)', re.MULTILINE)
# A graph with its weights inside; in memory it takes a few times as much.
_MOST_BYTES: Final = 512 * 2**20
_GRAPHS: Final = meta_graph_pb2.MetaGraphDef.DESCRIPTOR


def read(place: Path) -> meta_graph_pb2.MetaGraphDef:
    """Reads the graph of a SavedModel that only computes; a refusal may have any characters in it.

    Args:
        place: Its folder, with `saved_model.pb`.

    Raises:
        Unreadable: It is damaged, no SavedModel of TensorFlow 2, or does more than compute.
        OSError: It is missing or may not be read.
    """
    for folder, _, names in os.walk(place):
        for path in (Path(folder, name) for name in names):
            if path.exists() and not path.is_file():
                raise Unreadable(f"has a pipe or a device at {path.relative_to(place)}")
    try:
        model = _message().FromString(read_bytes(place / "saved_model.pb", _MOST_BYTES))
    except DecodeError:
        raise Unreadable("is damaged (saved_model.pb holds something else)") from None
    # What TensorFlow 1 wrote is loaded by running what its graph says.
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        raise Unreadable("is no SavedModel of TensorFlow 2, of one graph")
    meta: meta_graph_pb2.MetaGraphDef = model.meta_graphs[0]
    if found := refused(meta):
        raise Unreadable(f"has the operations {', '.join(found)}, which are not known to do no more than compute")
    if not is_inside(place, meta):
        raise Unreadable("has an asset outside of its own folder")
    return meta


@functools.cache
def _message() -> Any:
    """TensorFlow's message SavedModel, which TensorBoard has not."""
    file = descriptor_pb2.FileDescriptorProto(
        name="frostgate/saved_model.proto", package="frostgate", syntax="proto3", dependency=[_GRAPHS.file.name]
    )
    field = descriptor_pb2.FieldDescriptorProto
    file.message_type.add(name="SavedModel").field.add(
        name="meta_graphs",
        number=2,
        label=field.LABEL_REPEATED,
        type=field.TYPE_MESSAGE,
        type_name=f".{_GRAPHS.full_name}",
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("frostgate.SavedModel"))


@functools.cache
def allowed() -> frozenset[str]:
    """The names of the operations that compute, of the TensorFlow that is installed."""
    spec = PathFinder.find_spec("tensorflow")
    folders = (spec and spec.submodule_search_locations) or ()
    files = [Path(folder, "python", "ops", f"gen_{_module(one)}.py") for folder in folders for one in _FAMILIES]
    found = {name for file in files for name in _WRITTEN.findall(file.read_text())}
    return frozenset(found - _EXCEPTIONS | _OTHERS)


def _module(family: str) -> str:
    return family if family.endswith("_v2") else f"{family}_ops"


def refused(meta: meta_graph_pb2.MetaGraphDef) -> list[str]:
    """Names the operations of a graph that may do something else than compute, sorted.

    The saver's are passed where nothing that is loaded can call them, and a table's text file where it is one of the
    SavedModel's own assets.
    """
    functions = {one.signature.name: one for one in meta.graph_def.library.function}
    reachable = _reachable(functions, _roots(meta))
    # A function may be called like an operation, but not be called what an operation is.
    names = allowed() | {name for name in functions if not _OPERATION.fullmatch(name)}
    found = {node.op for node in meta.graph_def.node} - names - _OF_THE_SAVER
    for name, one in functions.items():
        others = {node.op for node in one.node_def} - names
        found |= others - (set() if name in reachable else _OF_THE_SAVER)
    if _TABLE_FROM_FILE in found and _reads_assets_only(meta, functions):
        found.remove(_TABLE_FROM_FILE)
    return sorted(found)


def is_inside(place: Path, meta: meta_graph_pb2.MetaGraphDef) -> bool:
    """Whether every asset is a file in the SavedModel's own folder."""
    folder = os.path.realpath(place / "assets")
    paths = [place / "assets" / one.filename for one in meta.asset_file_def]
    return all(os.path.realpath(path).startswith(f"{folder}{os.sep}") for path in paths) and (
        not paths or folder == os.path.join(os.path.realpath(place), "assets")
    )


def _roots(meta: meta_graph_pb2.MetaGraphDef) -> Iterator[str]:
    """The functions that loading makes callable, some of which it calls; of the main graph it runs nothing."""
    graph, library = meta.object_graph_def, meta.graph_def.library
    yield from graph.concrete_functions
    for node in graph.nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name
    yield from (one.gradient_func for one in (*library.gradient, *library.registered_gradients))


def _reachable(functions: dict[str, function_pb2.FunctionDef], roots: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    waiting = [name for name in roots if name in functions]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [called for called in _called(functions[name].node_def) if called in functions]
    return seen


def _called(nodes: Iterable[node_def_pb2.NodeDef]) -> Iterator[str]:
    for node in nodes:
        yield node.op
        for value in node.attr.values():
            yield from _named(value)


def _named(value: attr_value_pb2.AttrValue) -> Iterator[str]:
    for function in (*value.list.func, *([value.func] if value.HasField("func") else [])):
        yield function.name
        for inner in function.attr.values():
            yield from _named(inner)


def _reads_assets_only(meta: meta_graph_pb2.MetaGraphDef, functions: dict[str, function_pb2.FunctionDef]) -> bool:
    """Whether each text file is an argument of a function, and loading binds it to an asset."""
    # The main graph calls them too, and is not run.
    called = {name for one in functions.values() for name in _called(one.node_def)}
    return all(
        name not in called and _is_asset(meta.object_graph_def, one, node)
        for name, one in functions.items()
        for node in one.node_def
        if node.op == _TABLE_FROM_FILE
    )


def _is_asset(graph: saved_object_graph_pb2.SavedObjectGraph, function: function_pb2.FunctionDef, node: Any) -> bool:
    arguments = [argument.name for argument in function.signature.input_arg]
    concrete = graph.concrete_functions.get(function.signature.name)
    if concrete is None or len(node.input) < 2 or node.input[1] not in arguments:
        return False
    # What is bound comes last.
    place = arguments.index(node.input[1]) - len(arguments) + len(concrete.bound_inputs)
    bound = concrete.bound_inputs[place] if 0 <= place < len(concrete.bound_inputs) else -1
    return 0 <= bound < len(graph.nodes) and graph.nodes[bound].HasField("asset")
