"""Which operations the graph of a SavedModel may have: those that compute.

See docs/decisions/0020-operations-of-a-saved-model.md.
"""

import functools
import importlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tensorflow.core.framework import attr_value_pb2, function_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_object_graph_pb2
from tensorflow.python.framework import op_def_registry

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


@functools.cache
def allowed() -> frozenset[str]:
    """The names of the operations that compute, of the TensorFlow that is installed."""
    modules = [importlib.import_module(f"tensorflow.python.ops.gen_{_module(family)}") for family in _FAMILIES]
    found = {name for module in modules for name in vars(module) if op_def_registry.get(name) is not None}
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
    names = allowed() | {name for name in functions if op_def_registry.get(name) is None}
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
