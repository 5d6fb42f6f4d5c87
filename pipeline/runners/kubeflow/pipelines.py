"""What sets the pipelines that are compiled apart; light, for whoever only waits for a run imports it, too."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pipeline.runners.kubeflow.looks import LOOK_DECIDED_BY, LOOK_STEPS, look_outcome
from pipeline.runners.kubeflow.outcome import DECIDED_BY, STEPS, outcome

PipelineName = Literal["training", "monitoring"]
# The monitoring's: the window's last day, as `frostgate monitor --until` takes it; empty: the day on which it runs.
UNTIL: Final = "until"
_Artifacts = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Traits:
    """One pipeline's."""

    suffix: str
    """Of its name on the server, behind the configuration's."""
    steps: Mapping[Any, str]
    """Status -> the step that says so."""
    decided_by: str
    """The node that knows the status."""
    outcome: Callable[[_Artifacts, _Artifacts], dict[str, str]]
    """From that node's inputs and outputs to `status` and `message`."""
    page: str
    """Where a person looks next."""
    run_id: Mapping[str, str]
    """Node -> its parameter that the backend fills with the run's id."""
    parameters: Mapping[str, Sequence[str]]
    """Texts that a run may be told beside keys of the configuration -> nodes that are told them."""
    ending: tuple[str, ...]
    """What the step after the run is told."""


TRAITS: Final[Mapping[PipelineName, Traits]] = {
    "training": Traits(
        suffix="",
        steps=STEPS,
        decided_by=DECIDED_BY,
        outcome=lambda inputs, outputs: outcome(inputs),
        page="Its card is the output `page` of the step Card.",
        run_id={DECIDED_BY: "kfp_run_id"},
        parameters={},
        ending=(),
    ),
    "monitoring": Traits(
        suffix="-monitoring",
        steps=LOOK_STEPS,
        decided_by=LOOK_DECIDED_BY,
        outcome=lambda inputs, outputs: look_outcome(outputs),
        page="What it found is the output `page` of the step DriftGate.",
        run_id={},
        # ServingLogGen reads no requests after that day, and the other step sends no message about a past window.
        parameters={UNTIL: ("ServingLogGen", LOOK_DECIDED_BY)},
        ending=("--look",),
    ),
}


def outcome_of(node_id: str, inputs: _Artifacts, outputs: _Artifacts) -> dict[str, str]:
    """Says how a run came out, from what the node has that knows it."""
    (found,) = (one for one in TRAITS.values() if one.decided_by == node_id)
    return found.outcome(inputs, outputs)
