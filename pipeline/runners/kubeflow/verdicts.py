"""Which verdict was the last on a cluster: the registry keeps it, on the version that the run came to.

Not a file on the volume: a version that was pruned, or another registry, must not leave a verdict behind. And not the
newest version: a run that comes to a model which is there already adds none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from components.errors import DataRefused
from components.ingest.spans import has_spans
from components.registry.opening import open_registry
from components.registry.protocol import RegisteredVersion
from components.registry.settings import RegistrySettings
from pipeline.runners.kubeflow.facts import Facts
from pipeline.runners.kubeflow.outcome import documents, read
from pipeline.runners.results import RunStatus, judge

JUDGED: Final = "frostgate.judged"


class LastVerdict(BaseModel):
    """What the newest run that came to a version made of it; one tag, so that it is whole or absent."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    run_id: str
    """The backend's."""
    run_key: str
    """Data, configuration and code."""
    status: RunStatus
    decision: str
    """PASS, BLOCK or HOLD."""
    version: str = Field("", exclude=True)
    """The version's number; it is not said, for the tag is on it."""


def last_verdict(versions: Sequence[RegisteredVersion]) -> LastVerdict | None:
    """Finds the last verdict among a registry's versions; None where no run remembered one.

    Raises:
        DataRefused: A version's tag is damaged.
    """
    found = [_read(one) for one in versions if one.tags.get(JUDGED)]
    return max(found, key=lambda one: one.at, default=None)


def remember(
    facts: Facts,
    inputs: Mapping[str, Sequence[Any]],
    outputs: Mapping[str, Sequence[Any]],
    properties: Mapping[str, Any],
    now: datetime,
) -> None:
    """Tells the registry what a run came to, where a later run may ask for it.

    Args:
        facts: The compiled pipeline's.
        inputs: Of the node that registered the model.
        outputs: Likewise.
        properties: Likewise.
        now: With time zone.

    Raises:
        RegistryUnavailable: The registry cannot be reached within bounded retries; the step is tried again.
    """
    if not has_spans(facts.config.data.uri):
        return
    verdict, serving, pushed = documents(inputs)
    status, _, _ = judge(verdict, serving, pushed)
    told = LastVerdict(
        at=now,
        run_id=properties["kfp_run_id"],
        run_key=properties["run_key"],
        status=status,
        decision=verdict["decision"],
    )
    version = read(outputs["registration"][0].uri, "registration.json")["version"]
    settings = RegistrySettings.model_validate_json(properties["settings"])
    open_registry(settings).tag(version, {JUDGED: told.model_dump_json()})


def _read(version: RegisteredVersion) -> LastVerdict:
    try:
        found = LastVerdict.model_validate_json(version.tags[JUDGED])
        return found.model_copy(update={"version": version.version})
    except ValidationError:
        raise DataRefused(
            f"{JUDGED} of version {version.version} must be what frostgate wrote there; it is damaged. Remove it from "
            "the registry to go on."
        ) from None
