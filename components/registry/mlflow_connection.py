"""Reaching MLflow: quiet, with bounded patience, and with errors of one sentence."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from components.errors import first_line, safe
from components.registry.protocol import RegistryUnavailable

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
