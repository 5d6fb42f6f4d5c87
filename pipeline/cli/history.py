"""The summaries of past runs."""

from components.errors import DataRefused
from pipeline.config import Config
from pipeline.runners.results import RunSummary
from pipeline.runners.summaries import runs_of


def one_run(config: Config, run_id: str | None) -> RunSummary:
    """Returns the named run, or the newest.

    Raises:
        DataRefused: There is no such run.
    """
    found = [summary for summary in runs_of(config) if run_id in (None, summary.run_id)]
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
    start = ((summary.verdict or {}).get("warm_start") or {}).get("version")
    places = [
        ("training started from the weights of version", start),
        ("rejected images", f"{rejected}; the card says which and why" if rejected else None),
        ("served version", summary.served_version),
        (_registration(summary), summary.registered_version),
        ("card", summary.card),
        ("log", summary.log),
        ("to serve it on your word, with the same --config and --set", _approval(summary)),
    ]
    for name, value in places:
        if value is not None:
            print(f"  {name}: {value}")
    for warning in summary.warnings:
        print(f"  warning: {warning}")


def _approval(summary: RunSummary) -> str | None:
    is_held = (summary.verdict or {}).get("decision") == "HOLD"
    return f"frostgate approve {summary.run_id} --by NAME --reason TEXT" if is_held else None


def _registration(summary: RunSummary) -> str:
    # Refused models are kept for the record; nobody should take them for the champion.
    return "registered version" if summary.served_version else "recorded, without the alias, as version"
