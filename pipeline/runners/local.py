"""One run on this machine: resolve, run every node, tell what came of it."""

import contextlib
import dataclasses
import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.card.facts import NodeFacts, RunFacts
from components.credentials import lent
from components.foreign import json_text
from components.registry import lease
from components.registry.baseline import BASELINE, may_stand_for
from pipeline.config import Config, addresses, effective_yaml
from pipeline.resolve import Plan, folders_of, push_destination, resolve
from pipeline.runners.attempt import KILLED, Attempt
from pipeline.runners.console import output_to
from pipeline.runners.failures import ended, refusal_of, stopped
from pipeline.runners.lock import alone
from pipeline.runners.outside import missing
from pipeline.runners.place import take_place
from pipeline.runners.progress import Progress, Silent
from pipeline.runners.results import RunStatus, RunSummary, Walk, judge, nothing_new
from pipeline.runners.stopping import Stop, stoppable
from pipeline.runners.store import check
from pipeline.runners.summaries import newest_runs, same_as_last
from pipeline.runners.telling import tell

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline


@dataclass(frozen=True)
class _Outcome:
    status: RunStatus
    exit_code: int
    message: str
    data: dict[str, Any] | None = None
    verdict: dict[str, Any] | None = None
    served_version: str | None = None
    registered_version: str | None = None
    card: str | None = None
    warnings: tuple[str, ...] = ()
    plan: Plan | None = None


def run(
    config: Config,
    progress: Progress | None = None,
    build: Callable[[Plan], "Pipeline"] | None = None,
    again: bool = False,
) -> RunSummary:
    """Runs the training pipeline and writes `summary.json`, whatever happens.

    Args:
        config: The run's configuration.
        progress: Is told of every node; None tells nobody.
        build: Makes the pipeline from the plan; None takes the training pipeline.
        again: Whether spans of which none is new since the last verdict are run all the same.

    Returns:
        What came of it. A failure is a summary too, not an exception.

    Raises:
        DataRefused: The output folder cannot be written to, so there is nowhere to put a summary.
    """
    attempt = Attempt.begin(config, folders_of(config))
    walk, listener = Walk(), progress or Silent()
    attempt.announce(_summary(attempt, _Outcome(*KILLED), walk))

    def abandon(signal_number: int) -> None:
        _give_back(config, walk)
        summary = _written(attempt, _Outcome(*stopped(signal_number)), walk)
        listener.run_abandoned(summary.status, summary.message)
        os._exit(128 + signal_number)

    with output_to(attempt.log), lent(addresses(config).values()), stoppable(abandon) as stop:
        attempt.finish_killed()
        outcome = _try(attempt, listener, build, walk, stop, again)
    return _after_telling(attempt, _written(attempt, outcome, walk))


def _after_telling(attempt: Attempt, summary: RunSummary) -> RunSummary:
    """Tells whoever wants to know; who could not be told is a warning of the run."""
    with output_to(attempt.log):
        warnings = tell(attempt.config, summary)
    if not warnings:
        return summary
    summary = summary.model_copy(update={"warnings": (*summary.warnings, *warnings)})
    attempt.store(summary, summary.status)
    return summary


def _written(attempt: Attempt, outcome: _Outcome, walk: Walk) -> RunSummary:
    summary = _summary(attempt, outcome, walk)
    attempt.store(summary, summary.status)
    return summary


def _summary(attempt: Attempt, outcome: _Outcome, walk: Walk) -> RunSummary:
    return RunSummary(
        run_id=attempt.run_id,
        pipeline=attempt.config.name,
        run_key=outcome.plan.run_key if outcome.plan else None,
        spans=outcome.plan.source.spans if outcome.plan else (),
        started=attempt.started.isoformat(timespec="seconds"),
        seconds=attempt.seconds,
        status=outcome.status,
        exit_code=outcome.exit_code,
        message=outcome.message,
        data=outcome.data,
        verdict=outcome.verdict,
        served_version=outcome.served_version,
        registered_version=outcome.registered_version,
        card=outcome.card,
        warnings=outcome.warnings,
        log=str(attempt.log),
        config=attempt.config.model_dump(mode="json"),
        nodes=tuple(walk.nodes),
    )


def _try(
    attempt: Attempt,
    progress: Progress,
    build: Callable[[Plan], "Pipeline"] | None,
    walk: Walk,
    stop: Stop,
    again: bool,
) -> _Outcome:
    try:
        with alone(attempt.folders.root), lease.of_this_process():
            check(attempt.folders.metadata)
            take_place(attempt.folders.metadata, attempt.folders.artifacts)
            plan = resolve(attempt.config)
            last = None if again or not plan.source.spans else _last_verdict(plan)
            if last is not None and _is_there(plan, last):
                return _nothing_new(plan, last)
            _run_nodes(plan, attempt.run_id, progress, build, walk)
            return dataclasses.replace(_judged(attempt, walk), plan=plan)
    except (Exception, KeyboardInterrupt) as error:
        with contextlib.suppress(OSError):  # The log is on the disk that may be full.
            traceback.print_exc()
        _give_back(attempt.config, walk)
        outcome = _Outcome(*ended(error, stop, walk, str(attempt.folders.root)))
        return dataclasses.replace(outcome, data=_data(walk, error))


def _give_back(config: Config, walk: Walk) -> None:
    """Lets others push where a run ends between its push, which takes the destination, and the registration."""
    if "Pusher" in walk.outputs and "RegistryPush" not in walk.outputs:
        with contextlib.suppress(OSError):  # On a full disk the lease ends by itself, in minutes.
            pushed = _read(walk.outputs["Pusher"]["PushedModel"] / "pushed.json")
            lease.release(Path(push_destination(config)), pushed.get("fingerprint", ""))


def _last_verdict(plan: Plan) -> RunSummary | None:
    return same_as_last(newest_runs(plan.folders.runs), plan.run_key)


def _is_there(plan: Plan, last: RunSummary) -> bool:
    """Whether what a run pushed is still served and registered; what is not is done again."""
    if last.status != "pushed":
        return True
    pushed = (last.registered_version, ((last.verdict or {}).get("fingerprints") or {}).get("model"))
    version = next((one for one in plan.versions if (one.version, one.fingerprint) == pushed), None)
    gone = missing(version, plan.versions, plan.destination)
    if gone:
        print(f"{gone} The run goes on.")
    return gone is None


def _nothing_new(plan: Plan, last: RunSummary) -> _Outcome:
    message = nothing_new(plan.source.spans, last.run_id, last.status, "--again")
    return _Outcome("unchanged", 0, message, plan=plan)


def _run_nodes(
    plan: Plan, run_id: str, progress: Progress, build: Callable[[Plan], "Pipeline"] | None, walk: Walk
) -> None:
    from pipeline.runners.engine import run_pipeline  # Imports TFX, which takes seconds and is noisy.

    if build is None:
        from pipeline import training

        build = training.build
    version = next((one for one in plan.versions if one.version == plan.baseline), None)
    registered = version.fingerprint if version else ""
    holds = {BASELINE: lambda folder: may_stand_for(folder, plan.baseline, registered)}
    run_pipeline(build(plan), run_id, progress, walk, holds)


def _judged(attempt: Attempt, walk: Walk) -> _Outcome:
    # Of a mended model too, where the run asked for that: the last gate's counts.
    verdict_dir = [outputs for node, outputs in walk.outputs.items() if node.startswith("PushGate")][-1]["Verdict"]
    verdict = _read(verdict_dir / "verdict.json")
    serving = _read(walk.outputs["ServingCheck"]["ServingReport"] / "serving.json")
    pushed = _read(walk.outputs["Pusher"]["PushedModel"] / "pushed.json")
    registration = _read(walk.outputs["RegistryPush"]["Registration"] / "registration.json")
    version = str(pushed["version"]) if pushed["pushed"] else None
    status, exit_code, message = judge(verdict, serving, pushed)
    facts = RunFacts(
        run_id=attempt.run_id,
        started=attempt.started.isoformat(timespec="seconds"),
        seconds=attempt.seconds,
        nodes=tuple(NodeFacts(node.id, node.status, node.seconds) for node in walk.nodes),
        served_version=version,
        registered_version=registration["version"],
        serving=serving,
        config=effective_yaml(attempt.config),
    )
    from components.card.files import write_card  # Imports TFX's file systems.

    card = str(attempt.folder / "card.html")
    write_card(str(verdict_dir), facts, card)
    warnings = (*_cold_start(verdict), *_damaged(pushed))
    return _Outcome(status, exit_code, message, _data(walk), verdict, version, registration["version"], card, warnings)


def _cold_start(verdict: Mapping[str, Any]) -> tuple[str, ...]:
    start = verdict.get("warm_start")
    return (start["sentence"],) if start and start["version"] is None else ()


def _damaged(pushed: Mapping[str, Any]) -> tuple[str, ...]:
    served = f"; the model that was judged is served as version {pushed['version']}." if pushed["pushed"] else "."
    return tuple(f"{sentence}{served}" for sentence in pushed.get("damaged", ()))


def _data(walk: Walk, error: BaseException | None = None) -> dict[str, Any] | None:
    """What the data gate said, also in the error with which it refused."""
    if (refusal := refusal_of(error)) is not None and refusal.found is not None:
        return dict(refusal.found)
    gate = walk.outputs.get("DataGate")
    try:
        return _read(gate["DataDecision"] / "decision.json") if gate else None
    except (OSError, ValueError):
        # The run has failed already, and people are to hear of it all the same.
        if error is not None:
            return None
        raise


def _read(path: Path) -> dict[str, Any]:
    return json_text.read(path)
