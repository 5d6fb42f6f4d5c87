"""A run that is under way: its id, its folder, what is written there."""

import contextlib
import signal
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

import filelock
from pydantic import BaseModel

from components import whole_files
from components.errors import DataRefused
from pipeline.config import Config
from pipeline.resolve import Folders
from pipeline.runners.console import clean
from pipeline.runners.lock import BEGUN, SUMMARY, is_running, run_lock

KILLED: Final = (
    "interrupted",
    128 + signal.SIGKILL,
    "The process ended without a word: it was killed, or the machine stopped. The same command continues the run.",
)
"""Status, exit code and message of such a run."""


@dataclass(frozen=True)
class Attempt:
    """A run that is about to start."""

    config: Config
    folders: Folders
    run_id: str
    started: datetime
    clock: float
    lock: filelock.BaseFileLock

    @classmethod
    def begin(cls, config: Config, folders: Folders) -> Self:
        """Names the run and makes its folder.

        Raises:
            DataRefused: The output folder cannot be written to, so there is nowhere to put a summary.
        """
        now = datetime.now().astimezone()
        # Four digits of the time within the second: ids sort by time, also of runs that start in the same second.
        run_id = f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 16:04x}"
        lock = run_lock(folders.runs / run_id)
        attempt = cls(config, folders, run_id, now, time.monotonic(), lock)
        attempt._make_folder()
        return attempt

    @property
    def folder(self) -> Path:
        """The run's own."""
        return self.folders.runs / self.run_id

    @property
    def log(self) -> Path:
        """Everything that TFX, Beam and TensorFlow say."""
        return self.folder / "log.txt"

    @property
    def seconds(self) -> float:
        """Since the start."""
        return round(time.monotonic() - self.clock, 3)

    def announce(self, summary: BaseModel) -> None:
        """Writes what is to be said of the run if its process ends without a word: `KILLED`."""
        (self.folder / BEGUN).write_text(summary.model_dump_json(indent=2))

    def finish_killed(self) -> None:
        """Does for earlier runs what their processes, which were killed, could not: their logs' passwords go."""
        for begun in self.folders.runs.glob(f"*/{BEGUN}"):
            # A disk that takes nothing now is told of by the run itself, and the next one comes here again.
            with contextlib.suppress(OSError):
                if not is_running(begun.parent):
                    clean(begun.with_name(self.log.name))
                    summary = begun.with_name(SUMMARY)
                    begun.unlink() if summary.exists() else begun.rename(summary)

    def store(self, summary: BaseModel, status: str) -> None:
        """Writes `summary.json`, whole or not at all.

        Raises:
            OSError: It cannot be written; says which file that is, which a full disk's error does not.
        """
        path = self.folder / SUMMARY
        try:
            whole_files.write_text(path, summary.model_dump_json(indent=2))
            (self.folder / BEGUN).unlink(missing_ok=True)
        except OSError as error:
            text = f"could not be written ({error.strerror}); the run had ended as {status}"
            raise OSError(error.errno, text, str(path)) from error

    def _make_folder(self) -> None:
        if "://" in self.config.output:
            raise DataRefused(
                f"output must be a folder of this machine; received {self.config.output}. "
                "Name a bucket in push.destination or registry.uri instead."
            )
        try:
            self.folder.mkdir(parents=True)
            self.lock.acquire(timeout=0)
        except OSError as error:
            raise DataRefused(
                f"output must be a folder that can be written to; {self.folders.root} cannot ({error.strerror}). "
                "Choose another with --set output=FOLDER."
            ) from error
