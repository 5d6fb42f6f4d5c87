"""What tests of several rooms share."""

import fcntl
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from components import errors
from components.garbage import collect_seldom
from tests.forking import ForkedFiles
from tests.servers import chat_server, gateway_in

# Chosen before anything imports TensorFlow: Keras 3 beside tensorflow_transform, and a quiet log.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The order of a sum depends on the number of threads: with one, weights are the same on every machine. Nor do processes
# that run tests side by side wait for each other's threads.
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
os.environ.update(ONE_THREAD)
collect_seldom()


@pytest.fixture(autouse=True)
def passwords_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password is concealed for as long as its process lives, and one test's `pass` stands in another's sentences."""
    monkeypatch.setattr(errors, "_concealed", set())


# What a test runs with whose question is not about the backbone: ResNet50 takes several times as long.
SMALL = "backbone.kind=resnet8"
# A quarter of the default's steps; a long test takes all of them.
SHORT_PRETRAINING = ("backbone.pretrain.epochs=1", "backbone.pretrain.orientations=4")


@dataclass(frozen=True)
class Finished:
    """A run that is over, and what it left behind."""

    summary: dict[str, Any]
    output: Path
    name: str = "digits"

    @property
    def nodes(self) -> dict[str, str]:
        return {node["id"]: node["status"] for node in self.summary["nodes"]}

    @property
    def versions(self) -> list[str]:
        return sorted(path.name for path in (self.output / self.name / "models").glob("[0-9]*"))

    def newest(self, node: str, output: str) -> Path:
        artifacts = self.output / self.name / "artifacts" / node / output
        return max(artifacts.iterdir(), key=lambda path: int(path.name))


# The one makes the first run, for which the other waits no longer than its image takes to build.
_FIRST = ("test_whole_pipeline.py", "test_containers.py")


def pytest_configure(config: pytest.Config) -> None:
    """The processes of pytest-xdist run every file in a process of its own."""
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(ForkedFiles())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the slow files: a process that starts one of them last keeps the others waiting."""
    slow = [{item.path for item in items if item.get_closest_marker(name)} for name in ("engine", "tfx")]
    slow.insert(0, {item.path for item in items if item.path.name in _FIRST})
    items.sort(key=lambda item: [item.path not in paths for paths in slow])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begins a test and its fixtures at the same random numbers; Keras draws its seeds from Python's."""
    random.seed(0)


@pytest.fixture(scope="session")
def run_in_process() -> Callable[..., Finished]:
    """Runs a configuration in this process, which has paid for importing TFX already."""

    def run(output: Path, *overrides: str) -> Finished:
        from pipeline.config import load
        from pipeline.runners.local import run as run_locally

        summary = run_locally(load(None, [f"output={output}", *overrides]))
        stored = output / summary.pipeline / "runs" / summary.run_id / "summary.json"
        return Finished(json.loads(stored.read_text()), output)

    return run


@pytest.fixture(scope="session")
def run_small(run_in_process: Callable[..., Finished]) -> Callable[..., Finished]:
    """Runs a configuration with the small backbone in this process."""
    return lambda output, *overrides: run_in_process(output, SMALL, *overrides)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Returns a folder by its name; of several test processes the first that asks fills it for all."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def folder(name: str, make: Callable[[Path], None]) -> Path:
        place, mark = shared / "shared" / name, shared / "shared" / f"{name}.made"
        place.parent.mkdir(exist_ok=True)
        with open(place.with_name(f"{name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not mark.exists():
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                make(place)
                mark.touch()
        return place

    return folder


@pytest.fixture(scope="session")
def run_once(
    run_in_process: Callable[..., Finished], made_once: Callable[[str, Callable[[Path], None]], Path]
) -> Callable[..., Finished]:
    """Runs the embedded example on a machine that never ran it; of several test processes one does so for all."""

    def run(name: str, *overrides: str) -> Finished:
        def make(folder: Path) -> None:
            finished = run_in_process(folder / "frostgate-output", *overrides)
            (folder / "summary.json").write_text(json.dumps(finished.summary))

        folder = made_once(name, make)
        return Finished(json.loads((folder / "summary.json").read_text()), folder / "frostgate-output")

    return run


@pytest.fixture(scope="session")
def first_run(run_once: Callable[..., Finished]) -> Finished:
    """The embedded example on ResNet50; whoever takes it only reads there."""
    return run_once("first", *SHORT_PRETRAINING)


@pytest.fixture(scope="session")
def small_run(run_once: Callable[..., Finished]) -> Finished:
    """The embedded example on the small backbone.

    The tests of the whole pipeline go on in its folder, all others only read there.
    """
    return run_once("small", SMALL)


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nobody told this machine who it is to S3."""
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    # Or the client asks the network for them.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Pushgateway that nobody has told anything."""
    with gateway_in(tmp_path_factory.mktemp("gateway")) as address:
        yield address


@pytest.fixture
def chat() -> Iterator[tuple[str, list[Any]]]:
    """The address of a chat server, and what it heard."""
    with chat_server() as server:
        yield server


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    """The module that trains and exports toys; imported late, for it brings TensorFlow."""
    from tests.push_gate import toy

    return toy
