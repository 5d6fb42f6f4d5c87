"""What a cluster's steps tell Prometheus, each when it knows.

The data gate tells of the data, also when it refuses them; the step that looks for news, that there is none; the step
that registers the model, how the run came out; the one that decides about requests, what it found; the step after the
run, that it failed or was stopped. So nothing has to be carried from one to another.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.ingest.report import REPORT_FILE
from components.monitoring import drift
from components.monitoring.metrics import data_part, parts
from components.monitoring.sending import send
from components.monitoring.settings import MonitoringSettings
from pipeline.runners.kubeflow.facts import Facts, facts_here
from pipeline.runners.kubeflow.looks import LOOK_DECIDED_BY, drift_document
from pipeline.runners.kubeflow.outcome import DECIDED_BY, documents, read
from pipeline.runners.kubeflow.pipelines import TRAITS, UNTIL
from pipeline.runners.results import RunStatus, judge
from pipeline.runners.telling import tell_people_of_look

DATA_GATE: Final = "DataGate"
_Artifacts = Mapping[str, Sequence[Any]]


def tell_of_step(node_id: str, inputs: _Artifacts, outputs: _Artifacts, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Tells what a step that is over knows; most know nothing.

    Args:
        node_id: The step.
        inputs: Its.
        outputs: Its.
        given: The run's parameters that reach it.

    Returns:
        A sentence for whoever could not be told.
    """
    if node_id == DATA_GATE:
        return tell_of_data(read(outputs["decision"][0].uri, "decision.json"))
    if node_id == LOOK_DECIDED_BY and not given.get(UNTIL):
        return _tell_of_look(drift_document(outputs))
    if node_id != DECIDED_BY or (facts := facts_here()) is None:
        return ()
    verdict, serving, pushed = documents(inputs)
    status, exit_code, _ = judge(verdict, serving, pushed)
    spans = read(inputs["ingest_report"][0].uri, REPORT_FILE)["spans"]
    return _tell_of_run(facts, status, exit_code, spans, verdict, pushed["version"] if pushed["pushed"] else None)


def tell_of_nothing_new(spans: Sequence[int]) -> tuple[str, ...]:
    """Tells of a run that repeats the last verdict; of verdict and data it has nothing to say."""
    return () if (facts := facts_here()) is None else _tell_of_run(facts, "unchanged", 0, spans)


def tell_of_data(decision: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Tells what the data gate found; None is nothing."""
    if decision is None or (facts := facts_here()) is None:
        return ()
    return send(_gateway(facts), facts.config.name, {"data": data_part(facts.config.name, decision)})


def _tell_of_run(
    facts: Facts,
    status: RunStatus,
    exit_code: int,
    spans: Sequence[int],
    verdict: Mapping[str, Any] | None = None,
    served_version: int | None = None,
) -> tuple[str, ...]:
    summary = {
        "pipeline": facts.config.name,
        # The backend's to know.
        "seconds": None,
        "nodes": (),
        "status": status,
        "exit_code": exit_code,
        "served_version": served_version,
        "spans": spans,
        "data": None,
        "verdict": verdict,
    }
    return send(_gateway(facts), facts.config.name, parts(summary, time.time()))


def _tell_of_look(found: Mapping[str, Any]) -> tuple[str, ...]:
    if (facts := facts_here()) is None:
        return ()
    summary = {"pipeline": facts.config.name, "status": found["status"], "drift": found}
    warnings = send(_gateway(facts), facts.config.name, drift.parts(summary, time.time()))
    told = (found["sentence"], TRAITS["monitoring"].page)
    return (*warnings, *tell_people_of_look(facts.config.name, found["status"], told))


def _gateway(facts: Facts) -> MonitoringSettings:
    """A folder of one machine is no place for what a pod says."""
    return MonitoringSettings(pushgateway=facts.config.monitoring.pushgateway)
