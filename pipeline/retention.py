"""What is kept of past runs: pure rules, the newest and whatever the champion stands on."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from pydantic import Field

from components.errors import DataRefused
from components.registry.champions import before, champion_of
from components.registry.protocol import RegisteredVersion
from components.settings import Settings
from pipeline.runners.results import RunSummary


class RetentionSettings(Settings):
    """What `frostgate prune` keeps; the champion, the one to go back to, and the last verdict always."""

    runs: int = Field(30, ge=1)
    """Newest runs whose artifacts, log, card and metadata are kept; and as many looks at the log of requests."""
    served_versions: int = Field(5, ge=1)
    """Newest folders of the push destination that are kept."""
    registered_versions: int = Field(50, ge=1)
    """Newest registered versions that are kept with their files."""


def protected(versions: Sequence[RegisteredVersion]) -> tuple[RegisteredVersion, ...]:
    """Returns the champion and the version that a rollback would go back to, as far as there are any."""
    champion = champion_of(versions)
    if champion is None:
        return ()
    try:
        return champion, before(champion, versions)
    except DataRefused:
        return (champion,)


def runs_to_remove(
    run_ids: Collection[str],
    summaries: Mapping[str, RunSummary],
    keep: int,
    safe_versions: Iterable[RegisteredVersion],
) -> list[str]:
    """Chooses runs that are no longer kept.

    Args:
        run_ids: Of every run that left anything; they sort by time.
        summaries: Of those that left a summary.
        keep: How many are kept. Runs that found nothing new are counted by themselves: they are many, and small.
        safe_versions: Registered versions whose runs stay.

    Returns:
        Oldest first.
    """
    idle = {run_id for run_id, summary in summaries.items() if summary.status == "unchanged"}
    ordered = sorted(run_ids)
    working = [run_id for run_id in ordered if run_id not in idle]
    judged = [run_id for run_id in working if run_id in summaries and summaries[run_id].verdict is not None]
    safe = {version.version for version in safe_versions}
    stay = {*working[-keep:], *sorted(idle)[-keep:], *judged[-1:]}
    stay |= {run_id for run_id in judged if summaries[run_id].registered_version in safe}
    return [run_id for run_id in ordered if run_id not in stay]


def served_to_remove(served: Mapping[int, str], keep: int, safe_versions: Iterable[RegisteredVersion]) -> list[int]:
    """Chooses served versions that are no longer kept.

    Args:
        served: Number -> fingerprint of what it holds; empty where that is not known.
        keep: How many of the newest that we pushed are kept; servers load the highest number.
        safe_versions: Registered versions whose newest served folder stays.
    """
    stay = set(sorted(number for number, print_ in served.items() if print_)[-keep:])
    for version in safe_versions:
        stay |= set(sorted(number for number, print_ in served.items() if print_ == version.fingerprint)[-1:])
    # What somebody else put there is theirs.
    return sorted(number for number, print_ in served.items() if number not in stay and print_)


def registered_to_remove(versions: Sequence[RegisteredVersion], keep: int) -> list[RegisteredVersion]:
    """Chooses registered versions that are no longer kept; one that a person acted on, or made, stays.

    Args:
        versions: Oldest first.
        keep: How many of the newest are kept.
    """
    stay = {version.version for version in (*versions[-keep:], *protected(versions))}
    return [
        version
        for version in versions
        if version.version not in stay and version.fingerprint and not version.is_audited
    ]
