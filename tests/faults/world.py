"""A pipeline's output folder that is put back to a moment between two steps, in a file system of its own."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from components.confinement import namespaces
from components.confinement.libc import call
from components.ingest import embedded
from components.ingest.settings import EMBEDDED_DIGITS
from pipeline.config import Config, load

NAME: Final = "digits"
# A quarter of the default's pretraining, of the smallest backbone: enough for a model that passes.
_CHEAP: Final = (
    "backbone.kind=resnet8",
    "backbone.pretrain.epochs=1",
    "backbone.pretrain.orientations=4",
    "retention.runs=1",
    "retention.served_versions=1",
    "retention.registered_versions=1",
)
_REJECTS: Final = {"5/empty.png": b"", "6/text.png": b"this is text, not a picture"}

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
_DETACH = 2
_PLENTY: Final = 4 << 30


@dataclass(frozen=True)
class Step:
    """What a step did in the run that nothing happened to.

    Attributes:
        node: The node's id.
        seconds: What it took.
        read: Folders, or files, that it read, below the output folder: path -> who wrote it.
        wrote: The same of its outputs: path of the artifact -> its files.
    """

    node: str
    seconds: float
    read: dict[str, str]
    wrote: dict[str, list[str]]


@dataclass(frozen=True)
class Story:
    """A run that nothing happens to, and what it comes to.

    Attributes:
        settings: Overrides of its configuration.
        status: Of its summary.
        exit_code: Likewise.
        steps: In order; those that it took from the cache are not among them.
        counts: Of ingest's report.
        served: The newest served version's model, hex sha256 of all its files.
        judged: What the gate judged: the same of that model, its fingerprint, the decision.
    """

    settings: tuple[str, ...]
    status: str
    exit_code: int
    steps: tuple[Step, ...]
    counts: dict[str, Any]
    served: str
    judged: tuple[str, str, str]

    @classmethod
    def parse(cls, text: str) -> "Story":
        """Reads what `text` wrote."""
        told = json.loads(text)
        steps = tuple(Step(**one) for one in told["steps"])
        return cls(**told | {"settings": tuple(told["settings"]), "steps": steps, "judged": tuple(told["judged"])})

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Its steps' ids, in order."""
        return tuple(step.node for step in self.steps)

    def step(self, node: str) -> Step:
        """One of its steps."""
        return next(step for step in self.steps if step.node == node)


@dataclass(frozen=True)
class World:
    """Where a campaign keeps its data, its moments, and the output folder that faults happen to."""

    root: Path

    @property
    def output(self) -> Path:
        """The output folder; every fault has one of its own at this address."""
        return self.root / "output"

    @property
    def pipeline(self) -> Path:
        """The pipeline's folder in it."""
        return self.output / NAME

    def moment(self, story: str, before: str) -> Path:
        """The output folder as it was before a step, or at the `end`."""
        return self.root / "moments" / story / before

    def told(self, story: str) -> Path:
        """Where what a story comes to is kept."""
        return self.root / "moments" / f"{story}.json"

    def story(self, name: str) -> Story:
        """What a story comes to."""
        return Story.parse(self.told(name).read_text())

    def settings(self, story: str) -> tuple[str, ...]:
        """A story's configuration: `first`, then `good` or `bad` on more pictures."""
        data = self.root / ("first" if story == "first" else "more")
        bad = ("trainer.run_fn=tests.pipeline.broken_models.constant",) if story == "bad" else ()
        return (f"output={self.output}", f"data.uri={data}", *_CHEAP, *bad)

    def config(self, story: str, *more: str) -> Config:
        """The same, read."""
        return load(None, [*self.settings(story), *more])

    def write_data(self) -> None:
        """Writes the pictures of the first run, and of those after it, with two that are rejected."""
        pictures = Path(embedded.materialise(EMBEDDED_DIGITS, str(self.root / "embedded")))
        for name, left_out in (("first", 10), ("more", 0)):
            for folder in sorted(path for path in pictures.iterdir() if path.is_dir()):
                for picture in sorted(folder.glob("*.png"))[left_out:]:
                    target = self.root / name / folder.name / picture.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(picture, target)
            for path, content in _REJECTS.items():
                (self.root / name / path).write_bytes(content)

    def put_back(self, story: str, before: str) -> None:
        """Fills the output folder, which is empty, with a moment."""
        shutil.copytree(self.moment(story, before), self.output, dirs_exist_ok=True, symlinks=True)

    def keep(self, story: str, before: str) -> None:
        """Keeps the output folder as it is as a moment."""
        shutil.copytree(self.output, self.moment(story, before), symlinks=True)


def in_a_namespace_of_its_own() -> None:
    """Lets this process, which has one thread, mount what nobody else sees.

    Raises:
        OSError: The system does not let it.
    """
    namespaces.enter(_NEW_MOUNTS)
    _mount("none", "/", "", _RECURSIVE | _PRIVATE)


def why_no_namespace() -> str:
    """Why this system lets nobody do that; empty where it does. A process that tries ends."""
    if (pid := os.fork()) == 0:
        try:
            in_a_namespace_of_its_own()
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return os.strerror(number) if number else ""


def mount_memory(folder: Path, size: int = _PLENTY) -> None:
    """Puts an empty file system of a size in bytes on a folder."""
    _mount("tmpfs", str(folder), "tmpfs", 0, f"size={size}")


def resize(folder: Path, size: int = _PLENTY) -> None:
    """Gives a file system that `mount_memory` made another size."""
    _mount("tmpfs", str(folder), "tmpfs", _REMOUNT, f"size={size}")


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Lets nobody write to a folder or file, not even root."""
    _mount(str(path), str(path), "", _BIND)
    _mount("none", str(path), "", _BIND | _REMOUNT | _READ_ONLY)
    try:
        yield
    finally:
        call("umount2", os.fsencode(path), _DETACH)


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    call("mount", os.fsencode(source), os.fsencode(target), os.fsencode(kind), flags, os.fsencode(data))
