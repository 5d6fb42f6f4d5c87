"""Which useless models the same thresholds would have passed: a rule that nothing fails is no rule; pure."""

from collections.abc import Iterator
from typing import Final

from components.copies.counting import CopyCounts
from components.intervals import Counts, PairedCounts
from components.parity import Parity
from components.push_gate.evidence import DataDecision, Evidence, FreezeProof, SplitEvaluation, SplitMeasurement
from components.push_gate.rule import decide
from components.push_gate.settings import GateSettings
from schemas import features

# Of the way from guessing to all right, what these models are left with outside of what they were shown.
_LEFT: Final = 0.25
COLLAPSED: Final = "is right in training mode and hardly better than guessing when it serves"
BY_HEART: Final = "knows its training images by heart and is hardly better than guessing on others"


def would_pass(evidence: Evidence, settings: GateSettings) -> tuple[str, ...]:
    """Judges two useless models on as many images of as many classes, everything else about them in order.

    Args:
        evidence: Of the model that is judged; its counts of images and the share of its most frequent class are used.
        settings: The thresholds.

    Returns:
        What those that pass do, as a clause after `a model that`; empty where nothing was measured.
    """
    return tuple(what for what, model in _useless(evidence) if decide(model, settings).outcome == "PASS")


def _useless(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    if evidence.train is None or evidence.validation is None or evidence.guessing is None:
        return
    num_training, pi = evidence.train.counts.total, evidence.guessing.second
    right = round((pi.value + _LEFT * (1 - pi.value)) * num_training)
    # Better than guessing by what is left, of the classes that guessing never gets right.
    gained = round(_LEFT * (pi.total - pi.correct))
    guessing = PairedCounts(pi.correct, gained, 0, pi.total - pi.correct - gained)
    yield COLLAPSED, _in_order(PairedCounts(right, num_training - right, 0, 0), guessing)
    yield BY_HEART, _in_order(PairedCounts(num_training, 0, 0, 0), guessing)


def _in_order(modes: PairedCounts, guessing: PairedCounts) -> Evidence:
    train, validation = _measured(modes.second), _measured(guessing.first)
    return Evidence(
        data_decision=DataDecision(True, ()),
        freeze_proof=FreezeProof(True, (), 0, 0, "", ""),
        train=train,
        validation=validation,
        modes=modes,
        tfma={features.TRAIN: _evaluated(train.counts), features.EVAL: _evaluated(validation.counts)},
        parity=Parity(0.0, 1.0),
        copies=CopyCounts(validation.counts.total, 0, 0, 0),
        num_compared=train.counts.total,
        num_written=train.counts.total,
        guessing=guessing,
        top_share=guessing.second.value,
    )


def _measured(counts: Counts) -> SplitMeasurement:
    return SplitMeasurement(counts, counts.total, counts.total, 0, frozenset())


def _evaluated(counts: Counts) -> SplitEvaluation:
    return SplitEvaluation(counts.value, counts.total, frozenset())
