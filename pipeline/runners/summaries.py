"""The summaries that runs left, and what they say of the next one."""

import logging
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from pipeline.config import Config
from pipeline.runners.lock import BEGUN, SUMMARY, is_running
from pipeline.runners.results import LookSummary, RunSummary, stands

_RUNNING: Final = "The run goes on."
_RUN_ID: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")
_Ran = TypeVar("_Ran", RunSummary, LookSummary)


def runs_of(config: Config) -> Iterator[RunSummary]:
    """Yields a configuration's runs, oldest first, as `past_runs` does."""
    from pipeline.resolve import folders_of  # Brings the readers of images, which --help does not need.

    return past_runs(folders_of(config).runs)


def looks_of(config: Config) -> Iterator[LookSummary]:
    """Yields the looks at a configuration's log of requests, oldest first, as `past_runs` does runs."""
    from pipeline.watching import monitoring_folders

    return _past(LookSummary, monitoring_folders(config).runs)


def past_runs(folder: Path) -> Iterator[RunSummary]:
    """Yields a pipeline's runs, oldest first; also those that are running, and those whose process was killed.

    A summary that cannot be read counts as absent, and a warning names it.

    Args:
        folder: Holds a folder a run.
    """
    return _past(RunSummary, folder)


def run_ids_in(folder: Path) -> set[str]:
    """The ids of the runs, or looks, that have a folder in one; a folder of another name is not ours."""
    return {path.name for path in folder.glob("*") if path.is_dir() and _RUN_ID.fullmatch(path.name)}


def _past(kind: type[_Ran], folder: Path) -> Iterator[_Ran]:
    begun: list[Path] = [path.parent for path in folder.glob(f"*/{BEGUN}") if not (path.parent / SUMMARY).exists()]
    ended: list[Path] = [path.parent for path in folder.glob(f"*/{SUMMARY}")]
    for one in sorted([*begun, *ended]):
        summary = _read(kind, one / (BEGUN if one in begun else SUMMARY))
        if summary is not None:
            yield summary.model_copy(update={"status": "running", "message": _RUNNING}) if is_running(one) else summary


def newest_runs(folder: Path) -> Iterator[RunSummary]:
    """Yields a pipeline's runs, newest first, as far back as every summary can be read; each is read when asked for.

    Nobody knows what the run came to whose summary cannot be read, so none before it is the last one.
    """
    newest_first = sorted(folder.glob(f"*/{SUMMARY}"), reverse=True)
    return iter(partial(next, (_read(RunSummary, path) for path in newest_first), None), None)


def _read(kind: type[_Ran], path: Path) -> _Ran | None:
    try:
        return kind.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        why = f"{error.error_count()} of its values are not" if isinstance(error, ValidationError) else str(error)
        logging.warning("%s must be a run's summary (%s); it counts as absent.", path, why)
        return None


def same_as_last(newest_first: Iterable[RunSummary], run_key: str) -> RunSummary | None:
    """Finds the newest run that came to a verdict, if it was made of the same data, configuration and code.

    Args:
        newest_first: Past runs.
        run_key: Of the run that is about to start.

    Returns:
        None where something is new, where no run came to a verdict, or where a model that passed was not pushed, so
        that it has to be judged again.
    """
    last = next((summary for summary in newest_first if summary.verdict is not None), None)
    if last is None or last.verdict is None or last.run_key != run_key:
        return None
    return last if stands(last.status, last.verdict["decision"]) else None
