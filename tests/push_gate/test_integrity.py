"""G0: every way in which the evidence can be missing, broken or about something else."""

import math
from dataclasses import fields, replace

import pytest

from components.intervals import Counts
from components.parity import Parity
from components.push_gate.evidence import DataDecision, Evidence, SliceEvidence, SplitEvaluation
from components.push_gate.rule import Decision, decide
from components.push_gate.settings import GateSettings

SETTINGS = GateSettings()


def fired(decision: Decision) -> list[str]:
    return [f"{check.code} {check.name}" for check in decision.checks if check.fired]


def test_healthy_evidence_passes_with_the_numbers_in_one_sentence(healthy: Evidence) -> None:
    decision = decide(healthy, SETTINGS)
    assert (decision.outcome, decision.codes) == ("PASS", ())
    assert decision.sentence == (
        "Passed: 96.0 % of 500 validation images and 98.0 % of 2000 training images are right, and no check fired."
    )


def test_no_evidence_at_all_is_blocked() -> None:
    decision = decide(Evidence(), SETTINGS)
    assert decision.outcome == "BLOCK"
    assert decision.codes[0] == "G0"
    assert {"G0 data", "G0 frozen weights", "G0 coverage"} <= set(fired(decision))


# What is not there when all is well: complaints, a champion's comparison, what only the doctor looks at, and a name.
_MAY_BE_ABSENT = {
    "failure", "nonfinite", "source_note", "changed_alone", "champion", "champion_note", "ancestor", "top_class",
    "slices",
}  # fmt: skip


@pytest.mark.parametrize("field", sorted({one.name for one in fields(Evidence)} - _MAY_BE_ABSENT))
def test_a_missing_piece_of_evidence_never_passes(healthy: Evidence, field: str) -> None:
    assert decide(healthy, SETTINGS).outcome == "PASS"
    without = replace(healthy, **{field: getattr(Evidence(), field)})
    assert decide(without, SETTINGS).outcome != "PASS"


@pytest.mark.parametrize(("compared", "written"), [(None, None), (2200, None), (2199, 2200), (2201, 2200)])
def test_copies_must_have_been_sought_among_all_training_images(
    healthy: Evidence, compared: int | None, written: int | None
) -> None:
    decision = decide(replace(healthy, num_compared=compared, num_written=written), SETTINGS)
    assert fired(decision) == ["G0 coverage"]
    said = "an unknown number" if written is None else written
    assert f"of training images where ingest wrote {said}." in decision.sentence


def test_a_measurement_that_broke_off_is_the_first_reason(healthy: Evidence) -> None:
    decision = decide(replace(healthy, failure="the export cannot be loaded"), SETTINGS)
    assert decision.sentence == "Blocked (G0 measurement): the export cannot be loaded."


def test_refused_data_blocks_with_the_reasons(healthy: Evidence) -> None:
    decision = decide(replace(healthy, data_decision=DataDecision(False, ("eval: not validated",))), SETTINGS)
    assert fired(decision) == ["G0 data"]
    assert "eval: not validated" in decision.sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frozen_after": "bb"}, "from aa to bb"),
        ({"trainable_weights": 0}, "0 weights trained where the config asks for 2"),
        ({"trainable_weights": 3}, "3 weights trained where the config asks for 2"),
        ({"passed": False, "findings": ("bn1 moved",)}, "bn1 moved"),
    ],
)
def test_every_part_of_the_freeze_proof_counts(healthy: Evidence, change: dict[str, object], words: str) -> None:
    assert healthy.freeze_proof is not None
    decision = decide(replace(healthy, freeze_proof=replace(healthy.freeze_proof, **change)), SETTINGS)  # type: ignore[arg-type]
    assert fired(decision) == ["G0 frozen weights"]
    assert words in decision.sentence


@pytest.mark.parametrize("split", ["train", "eval"])
def test_a_split_that_tfma_never_saw_blocks(healthy: Evidence, split: str) -> None:
    others = {name: value for name, value in healthy.tfma.items() if name != split}
    decision = decide(replace(healthy, tfma=others), SETTINGS)
    assert fired(decision) == ["G0 coverage"]
    assert f"split {split} was never evaluated by TFMA" in decision.sentence


@pytest.mark.parametrize("split", ["train", "eval"])
def test_a_slice_that_tfma_never_saw_blocks(healthy: Evidence, split: str) -> None:
    partly = {**healthy.tfma, split: replace(healthy.tfma[split], slices=frozenset({"label=a"}))}
    decision = decide(replace(healthy, tfma=partly), SETTINGS)
    assert fired(decision) == ["G0 coverage"]
    assert f"slice label=b of split {split}" in decision.sentence


@pytest.mark.parametrize(("total", "blocked"), [(29, False), (30, True)])
def test_a_large_slice_without_training_images_blocks(healthy: Evidence, total: int, blocked: bool) -> None:
    unseen = SliceEvidence("format=gif", None, Counts(total, total))
    decision = decide(replace(healthy, slices=(*healthy.slices, unseen)), SETTINGS)
    assert (fired(decision) == ["G0 coverage"]) == blocked


@pytest.mark.parametrize("num_ingested", [None, 499, 501])
def test_examples_must_add_up_to_what_ingest_wrote(healthy: Evidence, num_ingested: int | None) -> None:
    assert healthy.validation is not None
    lost = replace(healthy.validation, num_ingested=num_ingested)
    assert fired(decide(replace(healthy, validation=lost), SETTINGS)) == ["G0 coverage"]


def test_a_number_that_is_not_finite_blocks_and_is_named(healthy: Evidence) -> None:
    decision = decide(replace(healthy, nonfinite=("the loss on eval",)), SETTINGS)
    assert decision.sentence == "Blocked (G0 finite): the loss on eval is not a finite number."


@pytest.mark.parametrize(
    ("difference", "blocked"), [(0.99e-5, False), (1e-5, False), (1.01e-5, True), (math.nan, True), (math.inf, True)]
)
def test_parity_is_accepted_up_to_its_limit(healthy: Evidence, difference: float, blocked: bool) -> None:
    decision = decide(replace(healthy, parity=Parity(difference, 1e-5)), SETTINGS)
    assert (fired(decision) == ["G0 parity"]) == blocked


@pytest.mark.parametrize(
    ("accuracy", "blocked"),
    [
        (0.96, False),
        (0.96 + 0.9e-6, False),
        (0.96 - 0.9e-6, False),
        (0.96 + 1.1e-6, True),
        (math.nan, True),
        (None, True),
    ],
)
def test_tfma_must_agree_with_the_gates_own_count(healthy: Evidence, accuracy: float | None, blocked: bool) -> None:
    tfma = {**healthy.tfma, "eval": replace(healthy.tfma["eval"], accuracy=accuracy)}
    assert (fired(decide(replace(healthy, tfma=tfma), SETTINGS)) == ["G0 agreement"]) == blocked


@pytest.mark.parametrize(("num_undecided", "blocked"), [(0, True), (1, False)])
def test_only_ties_excuse_a_disagreement(healthy: Evidence, num_undecided: int, blocked: bool) -> None:
    assert healthy.validation is not None
    tied = replace(healthy.validation, num_undecided=num_undecided)
    tfma = {**healthy.tfma, "eval": replace(healthy.tfma["eval"], accuracy=481 / 500)}
    decision = decide(replace(healthy, validation=tied, tfma=tfma), SETTINGS)
    assert (decision.codes == ("G0",)) == blocked


def test_tfma_must_have_seen_as_many_examples(healthy: Evidence) -> None:
    tfma = {**healthy.tfma, "train": SplitEvaluation(0.98, 1999, healthy.tfma["train"].slices)}
    assert fired(decide(replace(healthy, tfma=tfma), SETTINGS)) == ["G0 agreement"]


def test_agreement_on_training_examples_is_only_asked_when_all_were_scored(healthy: Evidence) -> None:
    assert healthy.train is not None
    sampled = replace(healthy.train, num_examples=50_000, num_ingested=50_000)
    tfma = {**healthy.tfma, "train": SplitEvaluation(0.975, 50_000, healthy.tfma["train"].slices)}
    assert decide(replace(healthy, train=sampled, tfma=tfma), SETTINGS).outcome == "PASS"


def test_tfma_is_held_against_every_image_and_not_against_what_counts(healthy: Evidence) -> None:
    assert healthy.validation is not None
    without_copies = replace(healthy.validation, counts=Counts(445, 460), all_counts=Counts(480, 500))
    assert decide(replace(healthy, validation=without_copies), SETTINGS).outcome == "PASS"
    others = replace(without_copies, all_counts=Counts(479, 500))
    assert fired(decide(replace(healthy, validation=others), SETTINGS)) == ["G0 agreement"]
