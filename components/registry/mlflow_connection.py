"""Reaching MLflow: quiet, with bounded patience, and with errors of one sentence."""

import glob
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlparse

from components.errors import DataRefused, first_line, safe
from components.registry.protocol import RegistryUnavailable

# The folder of models beside an SQLite file.
ARTIFACTS: Final = "mlartifacts"
_SQLITE: Final = "sqlite:///"
_MLFLOW_TABLES: Final = frozenset({"alembic_version", "experiments"})
# MLflow's own defaults keep a run waiting for minutes when the server is down; what the user set stays.
_BOUNDS: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "600",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Turns whatever MLflow raises into a RegistryUnavailable that names `address`."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise RegistryUnavailable.at(address, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Says what is behind an error of MLflow's; its HTTP client says a page of classes, its database what it tried."""
    from requests.exceptions import RequestException
    from sqlalchemy.exc import DBAPIError

    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, RequestException):
            is_late = "timed out" in str(behind).lower()
            return "it did not answer in time" if is_late else "no connection to it held"
        if isinstance(behind, DBAPIError) and behind.orig is not None:
            return first_line(behind.orig)
        behind = behind.__cause__ or behind.__context__
    return first_line(error)


@contextmanager
def opening(address: str) -> Iterator[None]:
    """Turns what MLflow raises of an address that it cannot open here, whatever answers there.

    Raises:
        DataRefused: That is so.
    """
    try:
        yield
    except DataRefused:
        raise
    except (ImportError, ValueError) as error:
        raise DataRefused(
            f"registry.uri must be an address that MLflow can open here; {address} is none ({first_line(error)}). Name "
            "an SQLite file or an MLflow server, or install the database's driver."
        ) from error


def sqlite_file(uri: str) -> Path | None:
    """The absolute path behind an `sqlite:///` uri; None for any other uri."""
    return Path(uri.removeprefix(_SQLITE)).absolute() if uri.startswith(_SQLITE) else None


def make_whole(file: Path) -> None:
    """Makes the registry's database if it is absent or empty, beside its place: MLflow takes seconds to make one.

    To be called by one process at a time.

    Raises:
        DataRefused: The file is something else.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    tables = _tables(file)
    if tables and not tables & _MLFLOW_TABLES:
        raise DataRefused(f"the registry must be MLflow's database; {file} is another program's. Name another file.")
    if tables:
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = file.with_name(f"{file.name}.unfinished")
    # With what SQLite keeps beside it.
    for leftover in file.parent.glob(f"{glob.escape(unfinished.name)}*"):
        leftover.unlink()
    SqlAlchemyStore(f"{_SQLITE}{unfinished}", (file.parent / ARTIFACTS).as_uri()).engine.dispose()
    # A journal that a deleted database left would be played into this one.
    for leftover in file.parent.glob(f"{glob.escape(file.name)}-*"):
        leftover.unlink()
    unfinished.replace(file)


@contextmanager
def or_half_made(file: Path | None) -> Iterator[None]:
    """Words it where MLflow cannot open a database that has nothing in it: somebody was killed while making it.

    Raises:
        DataRefused: That is so.
    """
    try:
        yield
    except Exception as error:
        if file is None or _has_experiments(file):
            raise
        raise DataRefused(
            f"the registry's database {file} was left half made ({first_line(error)}). Nothing is registered in it: "
            "move it away and run again."
        ) from error


def _tables(file: Path) -> set[str]:
    if not file.exists():
        return set()
    try:
        return {row[0] for row in _asked(file, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.OperationalError as error:
        raise OSError(str(error)) from error
    except sqlite3.DatabaseError as error:
        # MLflow would try for two minutes and then print SQL.
        raise DataRefused(
            f"the registry must be an SQLite database; {file} is none ({error}). Restore it or name another file."
        ) from error


def _has_experiments(file: Path) -> bool:
    """MLflow writes its first experiment when all tables are there."""
    return bool(_rows_if_readable(file, "SELECT 1 FROM experiments LIMIT 1"))


def _rows_if_readable(file: Path, question: str) -> list[tuple]:
    """The rows; none where there is no file, no such table or no database, which is said where it is opened."""
    try:
        return _asked(file, question) if file.exists() else []
    except sqlite3.Error:
        return []


def _asked(file: Path, question: str) -> list[tuple]:
    # Not read-only: what a killed process left half-written is rolled back here.
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as connection:
        return connection.execute(question).fetchall()


def check_place(file: Path | None) -> None:
    """Refuses a database whose models are beside another one; None, a server, is fine.

    Raises:
        DataRefused: It was moved or copied; what is registered or removed there would be so in the other folder.
    """
    if file is None:
        return
    for (location,) in _rows_if_readable(file, "SELECT artifact_location FROM experiments"):
        folder = _local(location)
        # Where else models are kept is for whoever made the experiment to say.
        if folder is None or folder.name != ARTIFACTS or _is_below(folder, file.parent):
            continue
        raise DataRefused(
            f"{file} must have its models in {file.parent / ARTIFACTS}; it has some in {folder}, for it was moved or "
            f"copied from {folder.parent}. No artifact was written or removed. A copy: go on with the original, "
            f"registry.uri={_SQLITE}{folder.parent / file.name}. A folder that was moved: move it back, or make the "
            f"old place a link to it: ln -s {file.parent} {folder.parent}"
        )


def inside_of(file: Path, run_ids: Sequence[str]) -> list[str]:
    """Those of a database's runs whose files are below its folder."""
    found = _rows_if_readable(file, "SELECT run_uuid, artifact_uri FROM runs")
    inside = {run_id for run_id, uri in found if (path := _local(uri)) and _is_below(path, file.parent)}
    return [run_id for run_id in run_ids if run_id in inside]


def _local(uri: str | None) -> Path | None:
    """The folder behind a path or a file: address; None for any other address."""
    parts = urlparse(uri or "")
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme or not uri else Path(uri)


def _is_below(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def prepare() -> None:
    """Bounds MLflow's patience and silences it; to be called before a client is made."""
    for name, value in _BOUNDS.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401  configures its loggers on import, which would undo what follows

    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.WARNING)


def collect_garbage(uri: str, run_ids: Sequence[str]) -> None:
    """Removes deleted runs for good, rows and files, with MLflow's own command; it has no call for that.

    Raises:
        OSError: The command failed.
    """
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri, "--run-ids", ",".join(run_ids)]
    # The address names a file: without this the command would look for a server.
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"mlflow gc failed: {safe(done.stderr).strip()[-300:]}")


def or_none(call: Any, *args: Any) -> Any:
    """What `call` returns; None where MLflow knows no such thing."""
    return _unless("RESOURCE_DOES_NOT_EXIST", call, *args)


def tolerating_existing(call: Any, *args: Any) -> None:
    """Calls; that somebody else made the thing first is no error."""
    _unless("RESOURCE_ALREADY_EXISTS", call, *args)


def twice(call: Any, *args: Any) -> None:
    """Sets something, and again where the server refuses: two that are the first to set it collide in its database."""
    from mlflow.exceptions import MlflowException

    try:
        call(*args)
    except MlflowException:
        call(*args)


def _unless(code: str, call: Any, *args: Any) -> Any:
    """What `call` returns; None if MLflow answers with this error code."""
    from mlflow.exceptions import MlflowException

    try:
        return call(*args)
    except MlflowException as error:
        if error.error_code != code:
            raise
        return None
