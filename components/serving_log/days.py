"""Where the log's days are, and which of them a look at it takes in."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from components.errors import DataRefused
from components.ingest import storage
from components.ingest.storage import FileStamp
from components.serving_log.refusals import no_log

SUFFIX: Final = ".tfrecord.gz"


def folder_of(uri: str, day: date) -> str:
    """Returns the folder of a day, UTC."""
    return f"{uri.rstrip('/')}/{day.isoformat()}"


def window(until: str, num_days: int) -> tuple[date, ...]:
    """Returns the days that a look takes in, oldest first.

    Args:
        until: The last one as YYYY-MM-DD; empty: today, UTC.
        num_days: How many.

    Raises:
        DataRefused: `until` is no day.
    """
    try:
        last = date.fromisoformat(until) if until else datetime.now(UTC).date()
    except ValueError as error:
        raise DataRefused(
            f"until must be the last day looked at, written as 2026-12-31; received {until!r}."
        ) from error
    return tuple(last - timedelta(days=back) for back in reversed(range(num_days)))


def files_of(uri: str, days: tuple[date, ...]) -> tuple[str, list[FileStamp]]:
    """Lists the log's complete files.

    Returns:
        A hash (hex sha256) that is another one when a file is, and the files by day and name; each stamp's path is an
        address that any process can open.

    Raises:
        DataRefused: There is no such folder, or it cannot be read.
    """
    if not uri:
        raise no_log()
    files, root = storage.filesystem(uri)
    try:
        files.invalidate_cache()
        is_folder = files.isdir(root)
        found = [stamp for day in days for stamp in _of_day(files, folder_of(root, day))] if is_folder else []
    # Every store has errors of its own, and many are no OSError.
    except Exception as error:
        raise DataRefused(f"serving_log.uri must name a folder that can be read; {uri} cannot ({error}).") from error
    if not is_folder:
        raise DataRefused(f"serving_log.uri must name a folder with a log of requests; {uri} was not found.")
    return storage.fingerprint([(stamp.path, stamp) for stamp in found]), found


def _of_day(files: Any, folder: str) -> list[FileStamp]:
    try:
        entries = files.ls(folder, detail=True)
    except FileNotFoundError:
        return []
    stamps = [storage.stamp(storage.with_protocol(files, entry["name"]), entry) for entry in entries]
    # Hidden ones are not complete.
    complete = [one for one in stamps if one.path.endswith(SUFFIX) and not one.path.rpartition("/")[2].startswith(".")]
    return sorted(complete, key=lambda one: one.path)
