"""What a run came to, and the exit code that says so."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from components.errors import safe

NodeStatus = Literal["done", "cached", "failed", "skipped"]
LookStatus = Literal["quiet", "drift", "undecided", "refused", "failed", "interrupted", "running"]
# What libraries say is part of it.
Safe = Annotated[str, AfterValidator(safe)]
RunStatus = Literal["pushed", "blocked", "held", "refused", "failed", "interrupted", "unchanged", "running"]


class NodeResult(BaseModel):
    """How one node ended."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: NodeStatus
    seconds: float = 0.0
    ended: float | None = None
    """Seconds since 1970; None for a node that was skipped."""
    error: Safe | None = None
    peak_memory_gigabytes: float | None = None
    """Of the whole process so far, when the node ended."""


@dataclass
class Walk:
    """How far a run has come; filled while it goes on, so that an interrupted run can be told of too."""

    nodes: list[NodeResult] = field(default_factory=list)
    outputs: dict[str, Mapping[str, Path]] = field(default_factory=dict)
    """Node id -> artifact type name -> folder."""


class RunSummary(BaseModel):
    """What `summary.json` holds."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    pipeline: str
    run_key: str | None = None
    """What it was made of: data, configuration, code; None where that was not found out."""
    spans: tuple[int, ...] = ()
    """Numbers of the spans that it read; empty where the data have none."""
    started: str
    """ISO 8601, with time zone."""
    seconds: float
    status: RunStatus
    exit_code: int
    message: Safe
    """One sentence; a line for each reason when the data or the configuration were refused."""
    data: dict[str, Any] | None = None
    """What the data gate decided and counted, also when it refused; None where the run did not get so far."""
    verdict: dict[str, Any] | None
    served_version: str | None
    registered_version: str | None
    card: str | None
    warnings: tuple[Safe, ...] = ()
    """What went otherwise than was asked without failing the run, a sentence each."""
    log: str
    config: dict[str, Any]
    nodes: tuple[NodeResult, ...]


class LookSummary(BaseModel):
    """What `summary.json` of a look at the log holds."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    pipeline: str
    started: str
    """ISO 8601, with time zone."""
    seconds: float
    status: LookStatus
    exit_code: int
    message: Safe
    """One sentence."""
    drift: dict[str, Any] | None
    """`drift.json`; None where it did not come to one."""
    page: str | None
    """The same for people."""
    warnings: tuple[Safe, ...] = ()
    """What went wrong beside the look itself, a sentence each."""
    log: str
    config: dict[str, Any]
    nodes: tuple[NodeResult, ...]


def stands(status: RunStatus, decision: str) -> bool:
    """Whether a verdict holds until something is new; a model that passed and was not pushed has to be judged again."""
    return status == "pushed" or decision != "PASS"


def nothing_new(spans: Iterable[int], run_id: str, status: RunStatus, how: str) -> str:
    """Says that a run repeats another one.

    Args:
        spans: That both read.
        run_id: The other one's.
        status: The other one's.
        how: What makes it run nevertheless.
    """
    return f"Nothing new in span {', '.join(map(str, spans))} since run {run_id} ({status}); {how} runs all the same."


def judge(
    verdict: Mapping[str, Any], serving: Mapping[str, Any], pushed: Mapping[str, Any]
) -> tuple[RunStatus, int, str]:
    """Says how a run ended whose every node ran.

    Args:
        verdict: `verdict.json`.
        serving: `serving.json`.
        pushed: `pushed.json`.

    Returns:
        The status, the exit code and a sentence.
    """
    if verdict["decision"] == "HOLD":
        return "held", 4, _with_cause(verdict)
    if verdict["decision"] == "BLOCK":
        return "blocked", 3, _with_cause(verdict)
    if not serving["passed"]:
        return "blocked", 3, f"Blocked (serving check): {' '.join(serving['findings'])}"
    if reason := pushed.get("objection"):
        return "held", 4, f"Held (registry): {reason}"
    if not pushed["pushed"]:
        return "failed", 1, "The model passed, but no version was pushed; see the log."
    return "pushed", 0, f"{verdict['sentence']}{' It was served already.' if pushed.get('already_there') else ''}"


def _with_cause(verdict: Mapping[str, Any]) -> str:
    causes = (verdict.get("diagnosis") or {}).get("causes")
    return f"{verdict['sentence']} Cause: {causes[0]['title']}." if causes else verdict["sentence"]
