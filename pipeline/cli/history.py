"""The summaries of past runs."""

from collections.abc import Iterator

from pydantic import ValidationError

from components.errors import DataRefused
from pipeline.config import Config
from pipeline.runners.results import RunSummary


def past_runs(config: Config) -> Iterator[RunSummary]:
    """Yields a pipeline's runs, oldest first; one that was killed left no summary and is not listed."""
    from pipeline.resolve import folders_of

    for path in sorted(folders_of(config).runs.glob("*/summary.json")):
        try:
            yield RunSummary.model_validate_json(path.read_text())
        except ValidationError as error:
            raise DataRefused(
                f"{path} must be a run's summary; it is damaged or of another version. Remove its folder to go on."
            ) from error


def one_run(config: Config, run_id: str | None) -> RunSummary:
    """Returns the named run, or the newest.

    Raises:
        DataRefused: There is no such run.
    """
    found = [summary for summary in past_runs(config) if run_id in (None, summary.run_id)]
    if not found:
        raise DataRefused(no_run_in(config, run_id))
    return found[-1]


def no_run_in(config: Config, run_id: str | None = None) -> str:
    """Says that a run, or any at all, is not where it was looked for."""
    from pipeline.resolve import folders_of

    folder = folders_of(config).runs
    if run_id:
        return f"There is no run {run_id} in {folder}. `frostgate runs` lists them."
    return f"There is no run yet in {folder}. `frostgate run` makes one; --set output=FOLDER looks elsewhere."


def print_causes(summary: RunSummary) -> None:
    """Prints why a model was refused, as far as it is known."""
    document = (summary.verdict or {}).get("diagnosis")
    if document:
        from components.diagnosis.answers import from_document

        print("\n".join([*from_document(document).lines(), ""]))


def print_places(summary: RunSummary) -> None:
    """Prints what a run left behind, and where."""
    rejected = (summary.verdict or {}).get("counts", {}).get("rejected")
    places = [
        ("rejected images", f"{rejected}; the card says which and why" if rejected else None),
        ("served version", summary.served_version),
        (_registration(summary), summary.registered_version),
        ("card", summary.card),
        ("log", summary.log),
    ]
    for name, value in places:
        if value is not None:
            print(f"  {name}: {value}")


def _registration(summary: RunSummary) -> str:
    # Refused models are kept for the record; nobody should take them for the champion.
    return "registered version" if summary.served_version else "recorded, without the alias, as version"
