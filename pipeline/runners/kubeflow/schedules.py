"""Recurring runs: one of a name, whatever was there before."""

import json
from dataclasses import dataclass
from typing import Any

from components.errors import DataRefused
from components.foreign import json_text
from pipeline.runners.kubeflow.endpoint import Endpoint, RunPlan
from pipeline.runners.kubeflow.package import Package


@dataclass(frozen=True)
class Schedule:
    """A recurring run as the server knows it."""

    id: str
    name: str
    cron: str
    is_enabled: bool
    version_id: str
    parameters: dict[str, Any]
    pipeline_root: str
    service_account: str


@dataclass(frozen=True)
class Upserted:
    """What became of a wish for a schedule."""

    id: str
    is_new: bool
    num_replaced: int


def listed(endpoint: Endpoint) -> list[Schedule]:
    """Every recurring run of the namespace."""
    return [_read(one) for one in endpoint.schedules()]


def named(endpoint: Endpoint, name: str) -> list[Schedule]:
    """The recurring runs of a name; more than one where an earlier replacement was interrupted.

    Raises:
        DataRefused: There is none.
    """
    every = listed(endpoint)
    found = [one for one in every if one.name == name]
    if not found:
        names = ", ".join(sorted({one.name for one in every}))
        raise DataRefused(f"There is no schedule {name}; {f'there are {names}' if names else 'there are none at all'}.")
    return found


def upsert(endpoint: Endpoint, package: Package, plan: RunPlan, cron: str) -> Upserted:
    """Makes sure that exactly one enabled schedule of the plan's name is there, as planned.

    A recurring run cannot be edited: the new one is made before the old ones go, so that no time is missed; a repeated
    or an interrupted call ends with one all the same.
    """
    _, version_id = endpoint.upload(package)
    before = [one for one in listed(endpoint) if one.name == plan.name]
    same = [one for one in before if _is_as_planned(one, version_id, plan, cron)]
    kept = same[0].id if same else endpoint.create_schedule(package, plan, cron)
    others = [one for one in before if one.id != kept]
    for one in others:
        endpoint.delete(one.id)
    return Upserted(kept, is_new=not same, num_replaced=len(others))


def _is_as_planned(one: Schedule, version_id: str, plan: RunPlan, cron: str) -> bool:
    return one.is_enabled and (one.version_id, one.cron, one.parameters, one.pipeline_root, one.service_account) == (
        version_id,
        cron,
        plan.parameters,
        plan.pipeline_root or "",
        # The server fills in its default where nobody says.
        plan.service_account or one.service_account,
    )


def _read(one: Any) -> Schedule:
    reference, runtime = one.pipeline_version_reference, one.runtime_config
    cron = one.trigger.cron_schedule if one.trigger else None
    return Schedule(
        id=one.recurring_run_id,
        name=one.display_name,
        cron=(cron.cron if cron else "") or "",
        is_enabled=one.status == "ENABLED" or (one.status is None and one.mode == "ENABLE"),
        version_id=(reference.pipeline_version_id if reference else "") or "",
        parameters=json_text.parse(json.dumps(runtime.parameters)) if runtime and runtime.parameters else {},
        pipeline_root=(runtime.pipeline_root if runtime else "") or "",
        service_account=one.service_account or "",
    )
