"""Reaching MLflow: quiet, with bounded patience, and with errors of one sentence."""

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
        raise RegistryUnavailable.at(address, first_line(error)) from error


def sqlite_file(uri: str) -> Path | None:
    """The absolute path behind an `sqlite:///` uri; None for any other uri."""
    return Path(uri.removeprefix(_SQLITE)).absolute() if uri.startswith(_SQLITE) else None


def check_header(file: Path | None) -> None:
    """Makes the database's folder; ValueError if the file is something else. None, a server, is fine."""
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    header = file.read_bytes()[:16] if file.exists() else b""
    # MLflow would try for two minutes and then print SQL.
    if header not in (b"", b"SQLite format 3\x00"):
        raise ValueError(f"the registry must be an SQLite database; {file} is none. Restore it or name another file.")


def check_place(file: Path | None) -> None:
    """Refuses a database whose models are beside another one; None, a server, is fine.

    Raises:
        DataRefused: It was moved or copied; what is registered or removed there would be so in the other folder.
    """
    if file is None:
        return
    for location in _asked(file, "SELECT artifact_location FROM experiments"):
        folder = _local(location)
        # Where else models are kept is for whoever made the experiment to say.
        if folder is None or folder.name != ARTIFACTS or _is_below(folder, file.parent):
            continue
        raise DataRefused(
            f"{file} must have its models in {file.parent / ARTIFACTS}; it has some in {folder}, for it was moved or "
            f"copied from {folder.parent}. Nothing was written or removed. A copy: go on with the original, "
            f"registry.uri={_SQLITE}{folder.parent / file.name}. A folder that was moved: move it back, or make the "
            f"old place a link to it: ln -s {file.parent} {folder.parent}"
        )


def inside_of(file: Path, run_ids: Sequence[str]) -> list[str]:
    """Those of a database's runs whose files are below its folder."""
    found = _asked(file, "SELECT run_uuid, artifact_uri FROM runs")
    inside = {run_id for run_id, uri in found if (path := _local(uri)) and _is_below(path, file.parent)}
    return [run_id for run_id in run_ids if run_id in inside]


def _asked(file: Path, statement: str) -> list[Any]:
    """The rows, or the values where a row has one; none where the tables are not there yet."""
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as connection:
        try:
            rows = connection.execute(statement).fetchall()
        except sqlite3.Error:
            return []  # MLflow says what is wrong with it.
    return [row[0] if len(row) == 1 else row for row in rows]


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
        raise OSError(f"mlflow gc failed: {safe(done.stderr.strip()[-300:])}")


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
