"""What a node's cache key must cover: the source of everything of ours that the node's module imports."""

import functools
import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import grimp

from components.errors import DataRefused

_PACKAGES: Final = ("schemas", "components", "pipeline")


def code_hash(module: str) -> str:
    """Hashes a module, every module of ours that it imports, and the data files beside them.

    TFX keys its cache by a function's dotted name; without this an edit would be a stale cache hit.

    Args:
        module: Dotted name. Of a module outside this project, a trainer of the user's own, it is not known what it
            imports of ours, so everything of ours counts.

    Returns:
        Hex sha256; it does not depend on where the project is installed.

    Raises:
        DataRefused: There is no such module.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_files(module)):
        digest.update(f"{name}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _files(module: str) -> Iterable[tuple[str, Path]]:
    graph = _graph()
    ours = {module, *graph.find_upstream_modules(module)} if module in graph.modules else graph.modules
    folders = set()
    for name in {module, *ours}:
        path = _source(name)
        yield name, path
        if name.split(".")[0] in _PACKAGES:
            folders.add((name.rpartition(".")[0] or name, path.parent))
    # Templates and schemas are read from the folder of the module that uses them.
    for package, folder in folders:
        for path in folder.iterdir():
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                yield f"{package}/{path.name}", path


@functools.cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(*_PACKAGES, cache_dir=None)


def _source(module: str) -> Path:
    try:
        found = importlib.util.find_spec(module)
    except (ModuleNotFoundError, ValueError):  # ValueError: it is running, as `__main__` does, and came from no file.
        found = None
    if found is None or found.origin is None or not found.has_location:
        raise DataRefused(
            f"{module} must be a module that Python can import; it was not found. Install it or correct the name."
        )
    return Path(found.origin)
