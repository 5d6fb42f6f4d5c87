"""The tiny pipeline as fixtures; as a script, a run of it in a process of its own: `conftest.py FOLDER BEHAVIOUR`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Config, load
from pipeline.runners import outside

HERE = Path(__file__).parent


def tiny_build(folder: Path, **options: object) -> Callable:
    def build(plan):
        import tiny_nodes

        return tiny_nodes.pipeline(plan.folders.root, folder / "witness", **options)

    return build


def config_below(folder: Path) -> Config:
    """A run below a folder whose data are two classes of two bytes: the tiny pipeline never looks at them."""
    for name in ("data/cat/1.png", "data/dog/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return load(None, [f"output={folder}/out", f"data.uri={folder}/data", "backbone.weights=none"])


@pytest.fixture(autouse=True)
def _importable_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    # TFX finds a node's executor by its module's name.
    monkeypatch.syspath_prepend(HERE)


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Callable]:
    """Makes the function that builds the tiny pipeline from a plan."""
    return lambda **options: tiny_build(tmp_path, **options)


@pytest.fixture
def tiny_config(tmp_path: Path) -> Config:
    return config_below(tmp_path)


def main() -> None:
    from pipeline.cli.live import progress_to
    from pipeline.runners.local import run

    with progress_to(sys.stderr) as progress:
        folder = Path(sys.argv[1])
        summary = run(config_below(folder), progress, tiny_build(folder, behaviour=sys.argv[2]))
    print(summary.model_dump_json(), flush=True)
    os._exit(summary.exit_code)


if __name__ == "__main__":
    main()


@pytest.fixture
def pushed_is_there(monkeypatch):
    """The tiny nodes only claim to have pushed and registered."""
    monkeypatch.setattr("pipeline.runners.local.missing", lambda version, versions, destination: None)


@pytest.fixture
def looked_outside_only():
    """Whether a run took everything from the cache but what looks outside of the store."""

    def of(summary):
        return {node.id for node in summary.nodes if node.status != "cached"} == outside.NODES

    return of
