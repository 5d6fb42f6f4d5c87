"""G1 to G5 and HOLD at their boundaries: one image less and one image more."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from components.copies.counting import CopyCounts
from components.intervals import Counts, PairedCounts
from components.parity import Parity
from components.push_gate.evidence import Champion, Check, Evidence, SliceEvidence, SplitEvaluation
from components.push_gate.evidence import SplitMeasurement as Measured
from components.push_gate.quality import baseline, chance, degenerate, floor, generalisation, label_order, mode_gap
from components.push_gate.rule import Decision, decide, decide_on_scores
from components.push_gate.settings import GateSettings
from components.push_gate.verdict import slice_document
from tests.push_gate.tables import guessing

SETTINGS = GateSettings()

Rule = Callable[[Evidence, GateSettings], Check]


def with_accuracies(
    healthy: Evidence,
    train: Counts,
    validation: Counts,
    modes: PairedCounts | Counts | None = None,
    majority_share: float = 0.5,
) -> Evidence:
    """The same evidence about other counts, TFMA agreeing."""
    assert healthy.train is not None and healthy.validation is not None
    parts = {"train": train, "eval": validation}
    sliced = {split: healthy.tfma[split].slices for split in parts}
    measured = {
        split: Measured(counts, counts.total, counts.total, 0, sliced[split]) for split, counts in parts.items()
    }
    return replace(
        healthy,
        train=measured["train"],
        validation=measured["eval"],
        modes=modes or PairedCounts(train.correct, 0, 0, train.total - train.correct),
        tfma={split: SplitEvaluation(counts.value, counts.total, sliced[split]) for split, counts in parts.items()},
        slices=(),
        guessing=guessing(validation, majority_share),
    )


def codes_fired(decision: Decision) -> list[str]:
    return [f"{check.code} {check.name}" for check in decision.checks if check.fired]


def at_threshold(rule: Rule, evidence: Evidence, name: str, offset: float, end: str = "low") -> bool:
    """Whether the rule fires with its threshold set to the deciding end of the interval plus an offset."""
    interval = rule(evidence, SETTINGS).interval
    assert interval is not None
    return rule(evidence, SETTINGS.model_copy(update={name: getattr(interval, end) + offset})).fired


# G1


def modes(only_training: int) -> PairedCounts:
    return PairedCounts(1700, only_training, 0, 300 - only_training)


def test_mode_gap_fires_only_above_its_threshold(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(1700, 2000), Counts(425, 500), modes(200))
    fired = [at_threshold(mode_gap, evidence, "max_mode_gap", offset) for offset in (1e-9, 0.0, -1e-9)]
    assert fired == [False, False, True]


def test_mode_gap_at_the_default_threshold(healthy: Evidence) -> None:
    lows = {}
    for only_training in range(100, 160):
        evidence = with_accuracies(healthy, Counts(1700, 2000), Counts(425, 500), modes(only_training))
        lows[only_training] = mode_gap(evidence, SETTINGS)
    first = min(number for number, check in lows.items() if check.fired)
    below, at = lows[first - 1].interval, lows[first].interval
    assert below is not None and at is not None
    assert below.low <= 0.05 < at.low
    # A gap of 5 points by itself is not enough, and two more points are.
    assert 100 < first <= 140


def test_mode_gap_is_told_with_both_numbers(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(107, 1000), Counts(99, 1000), PairedCounts(107, 653, 0, 240))
    assert decide(evidence, SETTINGS).sentence == (
        "Blocked (G1 mode gap): 76.0 % of training images are right in training mode but 10.7 % in inference mode; "
        "BatchNorm serves other statistics than it trained with."
    )


def test_mode_gap_uses_the_pairs(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(1800, 2000), Counts(450, 500), PairedCounts(1800, 110, 0, 90))
    check = mode_gap(evidence, SETTINGS)
    assert check.interval is not None
    assert check.interval.method == "Newcombe paired"


def test_training_mode_may_come_from_the_history(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(300, 2000), Counts(75, 500), Counts(1600, 2000))
    check = mode_gap(evidence, SETTINGS)
    assert check.fired and check.interval is not None
    assert check.interval.method == "Newcombe"


def test_worse_in_training_mode_is_no_mode_gap(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(1900, 2000), Counts(475, 500), PairedCounts(1000, 0, 900, 100))
    assert not mode_gap(evidence, SETTINGS).fired


# G2


def test_chance_fires_only_below_what_is_required(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(1300, 2000), Counts(270, 500))
    interval = chance(evidence, SETTINGS).interval
    assert interval is not None
    fired = [at_threshold(chance, evidence, "min_margin_over_chance", offset - 0.5, "high") for offset in (-1e-9, 1e-9)]
    assert fired == [False, True]


@pytest.mark.parametrize(("correct", "outcome"), [(253, "BLOCK"), (254, "HOLD"), (296, "HOLD"), (297, "PASS")])
def test_chance_at_the_default_margin(healthy: Evidence, correct: int, outcome: str) -> None:
    # 97.5 % upper bounds are .5494 and .5514, lower ones .5482 and .5503; .55 must be exceeded.
    evidence = with_accuracies(healthy, Counts(1200, 2000), Counts(correct, 500))
    assert decide(evidence, GateSettings(min_first_accuracy=0.4)).outcome == outcome


@pytest.mark.parametrize(("right", "outcome"), [((960, 0), "BLOCK"), ((960, 24), "HOLD"), ((960, 36), "PASS")])
def test_a_frequent_class_leaves_room_to_pass_and_guessing_it_is_blocked(
    healthy: Evidence, right: tuple[int, int], outcome: str
) -> None:
    # Half the way from .96 to 1; .96 + .05 could not be reached by anything.
    frequent, others = right
    table = PairedCounts(frequent, others, 960 - frequent, 40 - others)
    evidence = with_accuracies(healthy, Counts(1998, 2000), table.first)
    assert decide(replace(evidence, guessing=table, top_share=0.96), SETTINGS).outcome == outcome


def test_all_right_is_not_chance_however_frequent_one_class_is(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(2000, 2000), Counts(300, 300), majority_share=0.98)
    decision = decide(replace(evidence, top_share=0.98), SETTINGS)
    assert codes_fired(decision) == ["HOLD uncertain chance"]
    assert decision.sentence == (
        "Held (HOLD uncertain chance): 100.0 % of 300 validation images are right (between 98.5 % and 100.0 %), and "
        "always guessing the most frequent class gets 98.0 %; more than 99.0 % is required."
    )


def test_one_class_alone_cannot_show_whether_anything_was_learnt(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(2000, 2000), Counts(300, 300), majority_share=1.0)
    assert codes_fired(decide(replace(evidence, top_share=0.9), SETTINGS)) == ["HOLD uncertain chance"]


@pytest.mark.parametrize("rule", [decide, decide_on_scores])
@pytest.mark.parametrize(("correct", "top_share"), [(1, 1.0), (1, 2 / 3), (2, 2 / 3), (3, 1 / 3)])
@pytest.mark.parametrize("training", [Counts(3, 3), None])
def test_three_images_are_for_a_person_however_many_are_right(
    healthy: Evidence,
    correct: int,
    top_share: float,
    training: Counts | None,
    rule: Callable[[Evidence, GateSettings], Decision],
) -> None:
    validation = Counts(correct, 3)
    table = PairedCounts(1, correct - 1, 0, 3 - correct)
    evidence = with_accuracies(healthy, training or validation, validation)
    assert rule(replace(evidence, guessing=table, top_share=top_share), SETTINGS).codes == ("HOLD",)


def test_a_model_at_chance_is_blocked(healthy: Evidence) -> None:
    decision = decide(with_accuracies(healthy, Counts(1000, 2000), Counts(249, 500)), SETTINGS)
    assert "G2" in decision.codes
    assert decision.sentence.startswith("Blocked (G2 chance): 49.8 % of 500 validation images are right")


# G3


def test_generalisation_fires_only_above_its_threshold(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(1960, 2000), Counts(400, 500))
    fired = [at_threshold(generalisation, evidence, "max_generalisation_gap", offset) for offset in (1e-9, 0.0, -1e-9)]
    assert fired == [False, False, True]


def test_generalisation_compares_with_the_better_of_both_modes(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(1000, 2000), Counts(250, 500), PairedCounts(1000, 900, 0, 100))
    value = generalisation(evidence, SETTINGS).value
    assert value == pytest.approx(0.95 - 0.5)
    worse = with_accuracies(healthy, Counts(1900, 2000), Counts(250, 500), PairedCounts(1000, 0, 900, 100))
    assert generalisation(worse, SETTINGS).value == pytest.approx(0.95 - 0.5)


def test_a_gap_of_thirty_points_is_blocked(healthy: Evidence) -> None:
    decision = decide(with_accuracies(healthy, Counts(1960, 2000), Counts(340, 500)), SETTINGS)
    assert codes_fired(decision) == ["G3 generalisation", "HOLD uncertain gap"]
    assert decision.outcome == "BLOCK"


# G3 by slice


def sliced(healthy: Evidence, *validation: Counts) -> Evidence:
    parts = tuple(SliceEvidence(f"label={index}", Counts(980, 1000), part) for index, part in enumerate(validation))
    names = frozenset(part.name for part in parts)
    tfma = {split: replace(evaluation, slices=names) for split, evaluation in healthy.tfma.items()}
    assert healthy.train is not None and healthy.validation is not None
    return replace(
        healthy,
        slices=parts,
        tfma=tfma,
        train=replace(healthy.train, slices=names),
        validation=replace(healthy.validation, slices=names),
    )


def test_one_collapsed_slice_blocks_and_is_named(healthy: Evidence) -> None:
    decision = decide(sliced(healthy, Counts(99, 100), Counts(40, 100)), SETTINGS)
    assert codes_fired(decision) == ["G3 generalisation by slice"]
    words = "of slice label=1, 98.0 % of training images are right and 40.0 % of 100 validation images"
    assert words in decision.sentence


@pytest.mark.parametrize(("total", "fired"), [(4, False), (5, True), (29, True)])
def test_a_slice_is_judged_from_five_images_on(healthy: Evidence, total: int, fired: bool) -> None:
    decision = decide(sliced(healthy, Counts(0, total), *[Counts(98, 100)] * 9), SETTINGS)
    assert ("G3" in decision.codes) == fired
    assert decision.slices[0].fired == fired


def test_a_class_of_few_images_that_is_half_right_is_no_sure_gap(healthy: Evidence) -> None:
    assert decide(sliced(healthy, Counts(3, 5), *[Counts(98, 100)] * 9), SETTINGS).outcome == "PASS"


def test_a_class_without_scored_training_images_is_compared_with_the_whole_training_split(healthy: Evidence) -> None:
    evidence = sliced(healthy, Counts(570, 571), Counts(0, 29))
    unscored = replace(evidence, slices=(evidence.slices[0], replace(evidence.slices[1], training=None)))
    decision = decide(unscored, SETTINGS)
    assert codes_fired(decision) == ["G3 generalisation by slice", "HOLD dead classes"]
    words = (
        "of slice label=1, which has no scored training image, 0.0 % of 29 validation images are right, and 98.0 % of "
        "all training images"
    )
    assert words in decision.sentence
    result = slice_document(decision.slices[1])
    assert result["train"] is None and result["gap"] == pytest.approx(0.98) and result["judged"]


def test_a_class_without_scored_training_images_that_is_right_is_no_gap(healthy: Evidence) -> None:
    evidence = sliced(healthy, Counts(98, 100), Counts(28, 29))
    right = replace(evidence, slices=(evidence.slices[0], replace(evidence.slices[1], training=None)))
    assert decide(right, SETTINGS).outcome == "PASS"


def test_many_slices_raise_the_bar_for_each(healthy: Evidence) -> None:
    doubtful, fine = Counts(80, 100), Counts(98, 100)
    alone = decide(sliced(healthy, doubtful), SETTINGS)
    among_many = decide(sliced(healthy, doubtful, *[fine] * 19), SETTINGS)
    assert alone.slices[0].fired
    assert not among_many.slices[0].fired
    assert among_many.slices[0].adjusted_p == pytest.approx(20 * (alone.slices[0].adjusted_p or 0))


def test_slices_too_small_to_judge_do_not_dilute_the_others(healthy: Evidence) -> None:
    decision = decide(sliced(healthy, Counts(80, 100), *[Counts(4, 4)] * 19), SETTINGS)
    assert decision.slices[0].fired


# G4


def against(healthy: Evidence, pairs: PairedCounts) -> Evidence:
    return replace(healthy, champion=Champion("3", pairs))


def test_drop_against_the_champion_fires_only_above_its_threshold(healthy: Evidence) -> None:
    evidence = against(healthy, PairedCounts(450, 40, 5, 5))
    fired = [at_threshold(baseline, evidence, "max_drop_against_champion", offset) for offset in (1e-9, 0.0, -1e-9)]
    assert fired == [False, False, True]


def test_a_model_worse_than_the_champion_is_blocked_with_both_numbers(healthy: Evidence) -> None:
    decision = decide(against(healthy, PairedCounts(450, 40, 5, 5)), SETTINGS)
    assert decision.codes == ("G4",)
    assert "the champion (version 3) gets 98.0 % of the same validation images right and this model 91.0 %" in (
        decision.sentence
    )


def test_a_better_model_passes_the_champion(healthy: Evidence) -> None:
    assert decide(against(healthy, PairedCounts(450, 5, 40, 5)), SETTINGS).outcome == "PASS"


def reordered(healthy: Evidence, right: int, right_in_another_order: int) -> Evidence:
    """A champion that gets so many of 200 images right, and so many once the classes are renamed."""
    order = (("cat", "dog"), ("dog", "cat"))
    champion = Champion("3", PairedCounts(right, 0, 200 - right, 0), Counts(right_in_another_order, 200), order)
    return replace(healthy, champion=champion)


def test_labels_in_another_order_than_the_champion_learnt_are_blocked_and_named(healthy: Evidence) -> None:
    decision = decide(reordered(healthy, 4, 190), SETTINGS)
    assert decision.codes == ("G4",)
    assert decision.sentence == (
        "Blocked (G4 label order): the champion (version 3) gets 2.0 % of these images right, and would get 95.0 % in "
        "another order of the classes ('cat' is called 'dog', 'dog' is called 'cat'); look at how these images were "
        "labelled."
    )


def test_two_of_many_classes_that_changed_places_are_enough(healthy: Evidence) -> None:
    assert decide(reordered(healthy, 150, 192), SETTINGS).codes == ("G4",)


@pytest.mark.parametrize(
    ("right", "in_another_order"),
    [(190, 190), (150, 165), (20, 70), (20, 105)],
    ids=["nothing gained", "hardly anything", "no order helps", "not surely half"],
)
def test_a_champion_that_is_wrong_for_other_reasons_says_nothing_about_labels(
    healthy: Evidence, right: int, in_another_order: int
) -> None:
    assert decide(reordered(healthy, right, in_another_order), SETTINGS).outcome == "PASS"


def test_gain_from_another_order_fires_only_above_its_threshold(healthy: Evidence) -> None:
    evidence = reordered(healthy, 120, 170)
    fired = [at_threshold(label_order, evidence, "max_reordering_gain", offset) for offset in (1e-9, 0.0, -1e-9)]
    assert fired == [False, False, True]


def test_without_a_champion_no_order_is_known(healthy: Evidence) -> None:
    check = label_order(healthy, SETTINGS)
    assert not check.fired and "no champion" in check.detail


def with_classes(healthy: Evidence, *counts: Counts) -> Evidence:
    """Classes that are as good in training as in validation."""
    slices = tuple(SliceEvidence(f"label={number}", part, part) for number, part in enumerate(counts))
    tfma = {
        split: replace(part, slices=part.slices | {one.name for one in slices}) for split, part in healthy.tfma.items()
    }
    return replace(healthy, slices=slices, tfma=tfma)


def test_classes_that_are_dead_in_both_splits_hold_and_are_named(healthy: Evidence) -> None:
    decision = decide(with_classes(healthy, *[Counts(49, 50)] * 6, *[Counts(0, 50)] * 4), SETTINGS)
    assert (decision.outcome, decision.codes) == ("HOLD", ("HOLD",))
    assert decision.sentence == (
        "Held (HOLD dead classes): 4 of 10 classes are surely right less often than 20.0 % of the time: 6 (0 of 50), "
        "7 (0 of 50), 8 (0 of 50), 9 (0 of 50)."
    )


@pytest.mark.parametrize(
    ("classes", "total", "held"), [(2, 16, False), (2, 17, True), (10, 23, False), (10, 24, True), (10, 29, True)]
)
def test_so_many_images_of_a_dead_class_are_enough(healthy: Evidence, classes: int, total: int, held: bool) -> None:
    counts = [Counts(0, total), *[Counts(48, 50)] * (classes - 1)]
    assert (decide(with_classes(healthy, *counts), SETTINGS).outcome == "HOLD") is held


def test_a_hard_class_is_not_dead_and_nothing_is_asked_where_nobody_wants_it(healthy: Evidence) -> None:
    hard = with_classes(healthy, Counts(9, 50), Counts(48, 50))
    assert decide(hard, SETTINGS).outcome == "PASS"
    dead = with_classes(healthy, Counts(0, 50), Counts(48, 50))
    assert decide(dead, SETTINGS.model_copy(update={"hold_class_accuracy": 0.0})).outcome == "PASS"


@pytest.mark.parametrize("pairs", [None, PairedCounts(170, 10, 5, 315)], ids=["without a champion", "with one"])
def test_a_model_surely_below_the_floor_is_blocked(healthy: Evidence, pairs: PairedCounts | None) -> None:
    evidence = with_accuracies(healthy, Counts(700, 2000), Counts(175, 500), majority_share=0.1)
    decision = decide(replace(evidence, champion=Champion("18", pairs) if pairs else None), SETTINGS)
    assert codes_fired(decision) == ["G4 accuracy floor"]
    assert "every model must reach 50.0 %, whatever there was before" in decision.sentence


def test_a_model_that_may_reach_the_floor_is_for_a_person(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(1060, 2000), Counts(265, 500), majority_share=0.1)
    assert codes_fired(decide(evidence, SETTINGS)) == ["HOLD uncertain accuracy floor"]


def test_a_floor_of_nothing_asks_nothing(healthy: Evidence) -> None:
    evidence = with_accuracies(healthy, Counts(0, 2000), Counts(0, 500), majority_share=0.002)
    settings = GateSettings(min_first_accuracy=0.0, min_margin_over_chance=0.0)
    assert codes_fired(decide(replace(evidence, top_share=0.1), settings)) == ["HOLD uncertain chance"]


def test_many_small_steps_down_end_at_the_floor(healthy: Evidence) -> None:
    passed = []
    for right in range(485, 160, -15):
        evidence = with_accuracies(healthy, Counts(4 * right, 2000), Counts(right, 500), majority_share=0.1)
        champion = Champion("1", PairedCounts(right, 15, 0, 485 - right))
        settings = GateSettings(max_drop_against_champion=0.03)
        passed.append(decide(replace(evidence, champion=champion), settings).outcome == "PASS")
    assert passed[0] and not any(passed[15:])


def test_a_model_surely_worse_than_the_best_champion_of_before_is_blocked(healthy: Evidence) -> None:
    """Each step of three points is accepted by itself on so few images."""
    step, fall = PairedCounts(470, 18, 10, 2), PairedCounts(470, 28, 2, 0)
    stepped = replace(healthy, champion=Champion("9", step))
    assert decide(stepped, SETTINGS).outcome == "PASS"
    fallen = decide(replace(stepped, ancestor=Champion("4", fall)), SETTINGS)
    assert (fallen.outcome, fallen.codes) == ("BLOCK", ("G4",))
    assert fallen.sentence.startswith(
        "Blocked (G4 best ancestor): an earlier champion (version 4) gets 99.6 % of the same validation images right "
        "and this model 94.4 %, a drop of at least "
    )


def test_as_good_as_the_best_champion_of_before_is_enough(healthy: Evidence) -> None:
    assert decide(replace(healthy, ancestor=Champion("4", PairedCounts(475, 9, 5, 11))), SETTINGS).outcome == "PASS"


def test_the_floor_must_be_reached(healthy: Evidence) -> None:
    fired = [at_threshold(floor, healthy, "min_first_accuracy", offset, "high") for offset in (-1e-9, 0.0, 1e-9)]
    assert fired == [False, False, True]


def test_a_champion_that_cannot_be_compared_is_mentioned(healthy: Evidence) -> None:
    note = "the champion (version 3) knows other classes"
    assert note in baseline(replace(healthy, champion_note=note), SETTINGS).detail


# G5


@pytest.mark.parametrize(
    ("majority", "share", "fired"),
    [
        (0.2, 0.899, False),
        (0.2, 0.9, True),
        (0.2, 0.901, True),
        (0.65, 0.949, False),
        (0.65, 0.95, True),
        (0.65, 0.951, True),
        (0.8, 0.999, False),
        (0.8, 1.0, True),
    ],
)
def test_top_share_at_its_thresholds(healthy: Evidence, majority: float, share: float, fired: bool) -> None:
    evidence = replace(healthy, guessing=guessing(Counts(480, 500), majority), top_share=share)
    assert degenerate(evidence, SETTINGS).fired == fired


@pytest.mark.parametrize(
    ("most_frequent", "total", "fired"),
    [
        (2, 6, False),
        (3, 9, True),
        (5, 10, False),
        (6, 12, True),
        (63, 70, False),
        (72, 80, True),
        (343, 350, False),
        (392, 400, True),
    ],
)
def test_one_class_for_everything_blocks_when_that_is_surely_no_luck(
    healthy: Evidence, most_frequent: int, total: int, fired: bool
) -> None:
    table = guessing(Counts(most_frequent, total), most_frequent / total)
    evidence = replace(healthy, guessing=table, top_share=1.0)
    decision = decide(evidence, SETTINGS)
    assert degenerate(evidence, SETTINGS).fired == fired and decision.outcome != "PASS"
    assert any(check.name == "uncertain degenerate" and check.fired for check in decision.checks) != fired


# HOLD


@pytest.mark.parametrize(("total", "outcome"), [(199, "HOLD"), (200, "PASS"), (201, "PASS")])
def test_few_validation_images_are_for_a_person(healthy: Evidence, total: int, outcome: str) -> None:
    evidence = with_accuracies(healthy, Counts(2000, 2000), Counts(total, total))
    decision = decide(evidence, SETTINGS)
    assert decision.outcome == outcome
    assert decision.codes == (("HOLD",) if outcome == "HOLD" else ())


@pytest.mark.parametrize(("offset", "held"), [(1e-9, False), (0.0, False), (-1e-9, True)])
def test_a_gap_that_may_be_large_is_for_a_person(healthy: Evidence, offset: float, held: bool) -> None:
    evidence = with_accuracies(healthy, Counts(1960, 2000), Counts(440, 500))
    interval = generalisation(evidence, SETTINGS).interval
    assert interval is not None
    settings = SETTINGS.model_copy(update={"hold_generalisation_gap": interval.high + offset})
    decision = decide(evidence, settings)
    assert decision.outcome == ("HOLD" if held else "PASS")


def test_a_mode_gap_that_could_not_be_examined_is_for_a_person(healthy: Evidence) -> None:
    decision = decide(replace(healthy, modes=None), SETTINGS)
    assert (decision.outcome, decision.codes) == ("HOLD", ("HOLD",))
    assert "could not be examined" in decision.sentence


def test_a_parity_that_could_not_be_measured_is_for_a_person(healthy: Evidence) -> None:
    assert decide(replace(healthy, parity=None), SETTINGS).codes == ("HOLD",)


# Order


def test_blocking_beats_holding(healthy: Evidence) -> None:
    decision = decide(with_accuracies(healthy, Counts(1000, 2000), Counts(40, 100)), SETTINGS)
    assert decision.outcome == "BLOCK"
    assert decision.codes[-1] == "HOLD"


def test_every_code_that_fires_is_reported_in_order_and_the_first_is_told(healthy: Evidence) -> None:
    collapsed = with_accuracies(healthy, Counts(214, 2000), Counts(50, 500), PairedCounts(214, 1306, 0, 480))
    everything = replace(
        collapsed,
        parity=Parity(1.0, 1e-5),
        top_share=1.0,
        champion=Champion("3", PairedCounts(50, 400, 0, 50)),
    )
    decision = decide(everything, SETTINGS)
    assert decision.codes == ("G0", "G1", "G2", "G3", "G4", "G5", "HOLD")
    assert decision.sentence.startswith("Blocked (G0 parity)")
    without_parity = decide(replace(everything, parity=Parity(0.0, 1e-5)), SETTINGS)
    assert without_parity.sentence.startswith("Blocked (G1 mode gap)")


def scores_only(healthy: Evidence) -> Evidence:
    """What is known of a model that no pipeline made."""
    return Evidence(
        train=healthy.train,
        validation=healthy.validation,
        modes=healthy.modes,
        copies=healthy.copies,
        guessing=healthy.guessing,
        top_share=healthy.top_share,
        top_class=healthy.top_class,
    )


def test_by_its_scores_alone_a_healthy_model_passes_and_the_pipelines_rule_still_refuses_it(healthy):
    assert decide_on_scores(scores_only(healthy), SETTINGS).outcome == "PASS"
    assert decide(scores_only(healthy), SETTINGS).outcome == "BLOCK"


@pytest.mark.parametrize(
    ("change", "outcome", "codes"),
    [
        ({"nonfinite": ("an answer",)}, "BLOCK", ("G0",)),
        ({"changed_alone": Counts(50, 64)}, "BLOCK", ("G0",)),
        ({"modes": PairedCounts(1000, 900, 5, 95)}, "BLOCK", ("G1",)),
        ({"guessing": PairedCounts(474, 15, 1, 10)}, "HOLD", ("HOLD",)),
        ({"guessing": PairedCounts(475, 0, 0, 25)}, "BLOCK", ("G2",)),
        ({"top_share": 0.95}, "BLOCK", ("G5",)),
        ({"modes": None}, "HOLD", ("HOLD",)),
        ({"copies": None}, "HOLD", ("HOLD",)),
        ({"copies": CopyCounts(500, 0, 25, 0)}, "HOLD", ("HOLD",)),
    ],
)
def test_by_its_scores_alone_a_broken_model_is_refused(healthy, change, outcome, codes):
    decision = decide_on_scores(replace(scores_only(healthy), **change), SETTINGS)
    assert (decision.outcome, decision.codes) == (outcome, codes)


def held(healthy, copies):
    return decide(replace(healthy, copies=copies), SETTINGS)


def test_copies_hold_from_five_percent_of_distinct_content_on(healthy):
    assert held(healthy, CopyCounts(500, 0, 24, 0)).outcome == "PASS"
    assert held(healthy, CopyCounts(500, 0, 25, 0)).outcome == "HOLD"
    # Repeated images are no evidence either way.
    assert held(healthy, CopyCounts(1000, 500, 24, 0)).outcome == "PASS"
    assert held(healthy, CopyCounts(1000, 500, 25, 0)).outcome == "HOLD"


def test_held_for_copies_says_how_many_which_and_what_to_do(healthy):
    found = CopyCounts(440, 220, 120, 30, 7, (("v/1.png", "t/9.png"), ("v/2.png", "t/8.png")))
    assert held(healthy, found).sentence == (
        "Held (HOLD copies): 120 of 220 validation images of distinct content are copies of training images, 7 of them "
        "under another label; 30 are in validation under several labels (v/1.png shows what t/9.png shows; v/2.png "
        "shows what t/8.png shows); split by content, or by what the images were taken of, and train again."
    )


def test_near_copies_are_called_that_and_those_of_a_sample_stand_for_more(healthy):
    sampled = CopyCounts(5_000, 0, 50, 0, num_near=50, num_expected=450)
    sentence = held(healthy, sampled).sentence
    assert sampled.share == 0.1 and held(healthy, sampled).outcome == "HOLD"
    assert "50 of them flipped, turned, moved or from the same film, and about 450 more must be by a sample" in sentence


def test_images_of_groups_that_training_has_are_told_apart(healthy: Evidence) -> None:
    decision = decide(replace(healthy, copies=CopyCounts(500, 0, 50, 0, num_parted=40)), SETTINGS)
    assert decision.outcome == "HOLD"
    assert (
        "50 of 500 validation images of distinct content are copies of training images or of a group that training has "
        "images of (40 by data.group)"
    ) in decision.sentence


def test_copies_that_nobody_looked_for_hold(healthy):
    assert "nobody looked for copies" in held(healthy, None).sentence


def test_few_examples_are_counted_without_copies(healthy):
    few = replace(healthy, validation=replace(healthy.validation, counts=Counts(150, 150)))
    decision = decide(replace(few, tfma={}, copies=CopyCounts(300, 150, 0, 0)), SETTINGS)
    check = next(check for check in decision.checks if check.name == "few examples")
    assert check.fired and check.detail == (
        "there are 150 validation images of distinct content that training does not hold, and 200 are needed to decide."
    )
