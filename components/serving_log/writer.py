"""The log, written beside a model server without ever costing it a request."""

import logging
import os
import random
import secrets
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import tensorflow as tf

from components.ingest import storage
from components.ingest.record import Inspector
from components.ingest.settings import DataSettings
from components.serving_log.days import SUFFIX, folder_of
from components.serving_log.record import Asked, log_example
from components.serving_log.settings import ServingLogSettings

# A process that is killed loses at most this many, or what came in this time.
_REQUESTS_A_FILE: Final = 1_000
_SECONDS_A_FILE: Final = 300

_log = logging.getLogger(__name__)


class ServingLog:
    """Keeps requests and answers in `<uri>/<YYYY-MM-DD>/*.tfrecord.gz`, complete files only.

    One a process; threads may share it. Whoever records a request waits for its picture to be measured and for nothing
    else. A folder that cannot be written to costs the log what was to go there, which is counted, and nobody else.
    """

    def __init__(self, settings: ServingLogSettings, model: str = "", seed: int | None = None) -> None:
        """Opens nothing before the first request.

        Args:
            settings: Where to, how much and whether with pictures.
            model: Hex sha256 of the weights that answer; empty if they are not known.
            seed: Of the draw; None: another one each time.

        Raises:
            ValueError: `settings.uri` is empty, or of a kind that is not available here.
        """
        if not settings.uri:
            raise ValueError("serving_log.uri must name a folder to log to; it is empty.")
        storage.filesystem(settings.uri)
        self._settings, self._model = settings, model
        self._inspector = Inspector(DataSettings())
        self._draw = random.Random(seed)
        self._alone = threading.RLock()
        self._bringer = ThreadPoolExecutor(1, "frostgate-log")
        self._brought: list[Future[None]] = []
        self._part: _Part | None = None
        self.num_asked = 0
        """Requests that were told, drawn or not."""
        self.num_kept = 0
        """Requests that are on disk or about to be."""
        self.num_lost = 0
        """Requests that were drawn and could not be kept."""
        self.why_lost = ""
        """What went wrong with the last of these."""

    def record(self, picture: bytes, class_name: str, confidence: float) -> None:
        """Keeps a request, if it is drawn; what is no request is counted as lost, with a warning that says why.

        Args:
            picture: The encoded file, as it came.
            class_name: The answer.
            confidence: Its probability, 0..1.
        """
        with self._alone:
            self.num_asked += 1
            if self._draw.random() >= self._settings.rate:
                return
        now = int(time.time())
        try:
            asked = Asked(picture, class_name, confidence, now, self._model).checked()
            example = log_example(asked, self._inspector, self._settings.pictures)
            with self._alone:
                self._current(now).write(example)
                self.num_kept += 1
        # Disks, stores and native libraries have errors of many kinds, and none is the caller's.
        except Exception as error:
            self._lose(1, error)

    def close(self) -> None:
        """Brings what is still open to the folder, and waits until it is there."""
        with self._alone:
            self._finish()
            pending, self._brought = self._brought, []
        wait(pending)

    def __enter__(self) -> Self:
        """Returns the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def _current(self, now: int) -> "_Part":
        if self._part and not self._part.takes(now):
            self._finish()
        if self._part is None:
            self._part = _Part(self._settings.uri, now)
        return self._part

    def _finish(self) -> None:
        part, self._part = self._part, None
        if part:
            self._brought = [one for one in self._brought if not one.done()]
            self._brought.append(self._bringer.submit(self._bring, part))

    def _bring(self, part: "_Part") -> None:
        try:
            part.finish()
        except Exception as error:
            with self._alone:
                self.num_kept -= part.num_requests
            self._lose(part.num_requests, error)

    def _lose(self, number: int, error: Exception) -> None:
        with self._alone:
            self.num_lost += number
            self.why_lost = str(error) or type(error).__name__
        _log.warning("%d requests could not be logged to %s: %s", number, self._settings.uri, error)


class _Part:
    """One file: written on this machine, and brought to the log when it is complete."""

    def __init__(self, uri: str, now: int) -> None:
        self._started, self._folder = now, folder_of(uri, datetime.fromtimestamp(now, UTC).date())
        handle, name = tempfile.mkstemp(prefix="frostgate-log-", suffix=SUFFIX)
        os.close(handle)
        self._path = Path(name)
        self._writer = tf.io.TFRecordWriter(name, "GZIP")
        self.num_requests = 0

    def takes(self, now: int) -> bool:
        return (
            self.num_requests < _REQUESTS_A_FILE
            and now - self._started < _SECONDS_A_FILE
            and now // 86_400 == self._started // 86_400
        )

    def write(self, example: tf.train.Example) -> None:
        self._writer.write(example.SerializeToString())
        self.num_requests += 1

    def finish(self) -> None:
        """Object stores show a file when all of it is there; elsewhere a hidden name does as much."""
        self._writer.close()
        name = f"{datetime.fromtimestamp(self._started, UTC):%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        try:
            files, folder = storage.filesystem(self._folder)
            files.makedirs(folder, exist_ok=True)
            files.put_file(str(self._path), f"{folder}/.{name}")
            files.mv(f"{folder}/.{name}", f"{folder}/{name}")
        finally:
            self._path.unlink()
