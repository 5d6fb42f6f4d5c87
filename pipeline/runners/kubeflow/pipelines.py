"""The differences between the compiled pipelines; quick to import, because waiting for a run imports it, too."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pipeline.runners.kubeflow.looks import LOOK_DECIDED_BY, LOOK_STEPS, look_outcome
from pipeline.runners.kubeflow.outcome import DECIDED_BY, STEPS, outcome

PipelineName = Literal["training", "monitoring"]
# A parameter of the monitoring pipeline: the window's last day, as `frostgate monitor --until` takes it; empty: the day
# on which the pipeline runs.
UNTIL: Final = "until"
_Artifacts = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Traits:
    """What distinguishes one pipeline from the other."""

    suffix: str
    """The end of the pipeline's name on the server; the configuration's name comes before it."""
    steps: Mapping[Any, str]
    """Status -> the step that runs only when the pipeline ends with it."""
    decided_by: str
    """The node that decides the status."""
    outcome: Callable[[_Artifacts, _Artifacts], dict[str, str]]
    """Takes that node's input and output artifacts; returns `status` and `message`."""
    page: str
    """The sentence that tells a person where to look next."""
    run_id: Mapping[str, str]
    """Node -> its parameter that the backend fills with the run's id."""
    parameters: Mapping[str, Sequence[str]]
    """Parameter of a run that is no key of the configuration -> the nodes that receive it."""
    ending: tuple[str, ...]
    """Command-line arguments of the step after the run."""


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
    """Returns a run's `status` and `message`.

    Args:
        node_id: The node that decides the status.
        inputs: Its input artifacts by key.
        outputs: Its output artifacts by key.
    """
    (traits,) = (traits for traits in TRAITS.values() if traits.decided_by == node_id)
    return traits.outcome(inputs, outputs)
