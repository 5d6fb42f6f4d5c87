"""Every cause from the numbers that gate.md's table measured, and what rules it out."""

from dataclasses import replace
from typing import Any

import pytest

from components.diagnosis.advice import FIXES, TITLES
from components.diagnosis.attribution import attribute
from components.diagnosis.evidence import (
    Alone,
    ChannelStatistics,
    Converted,
    DomainShift,
    Duplicates,
    Head,
    InputShift,
    LabelShift,
    LayerDistance,
    Measurements,
    Relabelling,
    SourceComparison,
)
from components.intervals import Counts, Interval, PairedCounts

NUM_TRAIN, NUM_VALIDATION = 1_000, 500
SAME = ChannelStatistics((0.0,), (1.0,), (-1.0,), (1.0,))


def out_of(share: float, total: int = NUM_VALIDATION) -> Counts:
    return Counts(round(share * total), total)


def modes(training: float, inference: float) -> PairedCounts:
    first, second = round(training * NUM_TRAIN), round(inference * NUM_TRAIN)
    both = min(first, second)
    return PairedCounts(both, first - both, second - both, NUM_TRAIN - max(first, second))


def auc(value: float) -> DomainShift:
    return DomainShift(value, Interval(value - 0.03, min(1.0, value + 0.03), 0.95, "Hanley-McNeil"))


def alone(changed: int) -> Alone:
    return Alone(Counts(changed, 64), Counts(0, 64), PairedCounts(64 - changed, changed, 0, 0))


def layer(trainable: bool, distance: float) -> LayerDistance:
    return LayerDistance("bn", trainable, 0.99, distance, 1.1)


def measured(training: float, inference: float, validation: float, **found: object) -> Measurements:
    """All quiet but for the accuracies and what is given."""
    known: dict[str, object] = {
        "claimed": out_of(training, NUM_TRAIN),
        "head": Head("softmax", 10, "softmax", "sparse_categorical_crossentropy", ()),
        "alone": alone(0),
        "has_batch_norm": True,
        "label_shift": LabelShift(0.02, 0.6, 0.15, 1),
        "relabelling": Relabelling(out_of(validation), tuple(range(10))),
        "input_shift": InputShift(SAME, SAME, 0.01, 0.01),
        "converted": (),
        "duplicates": Duplicates((), NUM_VALIDATION),
        "domain": auc(0.52),
    }
    return Measurements(
        num_classes=10,
        train=out_of(inference, NUM_TRAIN),
        validation=out_of(validation),
        majority_train=0.1,
        majority_validation=0.1,
        modes=modes(training, inference),
        **(known | found),  # type: ignore[arg-type]
    )


BROKEN = {
    "loss_head_mismatch": measured(
        0.1, 0.1, 0.1, head=Head("softmax", 1, "softmax", "binary_crossentropy", ("softmax over one unit is always 1",))
    ),
    "batch_norm_mode": measured(
        0.77, 0.1, 0.1, layers=(layer(False, 8.0),), reestimated_train=modes(0.76, 0.1), domain=auc(0.5)
    ),
    "statistics_not_converged": measured(
        1.0, 0.68, 0.63, layers=(layer(True, 3.0),), reestimated_train=modes(0.99, 0.68)
    ),
    "frozen_weights_changed": measured(0.99, 0.99, 0.98, source=SourceComparison(50, 50, 40, (), ("bn",))),
    "batch_dependence": measured(0.99, 0.99, 0.96, alone=alone(56)),
    "training_serving_skew": measured(
        0.12, 0.12, 0.1, claimed=out_of(0.98), reconverted=(Converted("caffe -> tf", out_of(0.97, 256), True),)
    ),
    "preprocessing_skew": measured(
        1.0, 1.0, 0.1, converted=(Converted("unit -> none", out_of(0.97), True),), domain=auc(0.97)
    ),
    "label_order": measured(1.0, 1.0, 0.1, relabelling=Relabelling(out_of(0.99), (1, 2, 3, 4, 5, 6, 7, 8, 9, 0))),
    "duplicates": measured(
        1.0,
        1.0,
        0.78,
        duplicates=Duplicates(tuple((position, position) for position in range(300)), NUM_VALIDATION),
        without_duplicates=out_of(0.45, 200),
    ),
    "class_imbalance": measured(1.0, 1.0, 0.22, label_shift=LabelShift(0.81, 0.0, 0.81, 2), domain=auc(0.9)),
    "distribution_shift": measured(1.0, 1.0, 0.08, domain=auc(0.97)),
    "class_collapse": replace(
        measured(0.8, 0.8, 0.8, label_shift=LabelShift(0.02, 0.6, 1.0, 0)), majority_train=0.8, majority_validation=0.8
    ),
    "not_learnt": measured(0.11, 0.11, 0.1),
    "overfitting": measured(1.0, 1.0, 0.41),
}


@pytest.mark.parametrize("cause", BROKEN)
def test_each_fault_is_named_and_it_alone(cause):
    found = attribute(BROKEN[cause])
    assert [one.id for one in found.causes] == [cause]
    assert found.causes[0].confidence == "strong" or cause == "not_learnt"
    assert cause not in [one.id for one in found.ruled_out]
    assert found.causes[0].evidence and found.sentence.startswith(found.causes[0].title[0].upper())


def test_a_healthy_model_has_no_causes_even_where_statistics_are_far_and_domains_differ():
    found = attribute(measured(0.99, 0.99, 0.98, layers=(layer(False, 9.0),), domain=auc(0.97)))
    assert found.causes == () and found.sentence == "No cause was found."


@pytest.mark.parametrize(("changed", "is_named"), [(2, False), (3, True)])
def test_answers_that_rounding_turns_over_are_no_cause(changed, is_named):
    found = attribute(measured(0.99, 0.99, 0.96, alone=alone(changed)))
    assert bool(found.causes) == is_named


def test_several_causes_are_all_named_the_one_that_explains_most_first():
    both = measured(
        0.9,
        0.5,
        0.1,
        layers=(layer(True, 3.0),),
        reestimated_train=modes(0.75, 0.5),
        relabelling=Relabelling(out_of(0.54), (1, 0)),
    )
    causes = attribute(both).causes
    assert [one.id for one in causes] == ["statistics_not_converged", "label_order"]
    assert [one.explains for one in causes] == [pytest.approx(0.625), pytest.approx(0.55)]
    assert "Also: validation labels are in another order." in attribute(both).sentence


@pytest.mark.parametrize(
    ("missing", "cause"),
    [
        ("modes", "batch_norm"),
        ("claimed", "training_serving_skew"),
        ("relabelling", "label_order"),
        ("input_shift", "preprocessing_skew"),
        ("duplicates", "duplicates"),
        ("domain", "distribution_shift"),
        ("head", "loss_head_mismatch"),
        ("alone", "batch_dependence"),
    ],
)
def test_what_was_not_measured_is_never_ruled_out(missing, cause):
    unknown: dict[str, Any] = {missing: None, "unexamined": {missing: "it was too dear"}}
    found = attribute(replace(BROKEN["overfitting"], **unknown))
    assert cause in [one.id for one in found.unexamined] and cause not in [one.id for one in found.ruled_out]
    assert missing in ("head", "claimed") or [one.why for one in found.unexamined] == ["it was too dear"]


def test_a_head_without_its_loss_is_not_ruled_out():
    found = attribute(replace(BROKEN["overfitting"], head=Head("softmax", 10, "softmax", None, ())))
    assert [one.id for one in found.unexamined] == ["loss_head_mismatch"]


def test_overfitting_down_to_chance_is_only_moderate_for_labels_may_not_belong_to_their_pictures():
    (cause,) = attribute(measured(1.0, 1.0, 0.11)).causes
    assert (cause.id, cause.confidence) == ("overfitting", "moderate")
    assert "labels do not belong to their pictures" in cause.evidence[-1]


def test_overfitting_is_only_moderate_while_another_cause_could_be():
    found = attribute(replace(BROKEN["overfitting"], domain=None))
    assert [(one.id, one.confidence) for one in found.causes] == [("overfitting", "moderate")]


def test_statistics_that_cannot_be_mended_on_the_model_are_moderate_evidence():
    found = attribute(replace(BROKEN["batch_norm_mode"], reestimated_train=modes(0.12, 0.1)))
    assert [(one.id, one.confidence) for one in found.causes] == [("batch_norm_mode", "moderate")]


def test_three_images_cannot_show_a_gap_for_sure_but_five_updates_explain_it():
    few = replace(measured(1.0, 0.3, 0.3), modes=PairedCounts(1, 2, 0, 0), train=Counts(1, 3), validation=Counts(1, 3))
    assert "statistics_not_converged" not in [one.id for one in attribute(few).causes]
    few = replace(few, num_updates=5, initial_statistics=0.95, layers=(layer(True, 3.0),))
    found = attribute(replace(few, reestimated_train=PairedCounts(1, 2, 0, 0)))
    assert (found.causes[0].id, found.causes[0].confidence) == ("statistics_not_converged", "strong")
    assert "5 updates leave 95% of the statistics that training started with" in found.causes[0].evidence


def test_few_updates_are_no_fault_where_both_modes_agree():
    agree = replace(measured(1.0, 1.0, 0.4), num_updates=5, initial_statistics=0.95)
    assert [one.id for one in attribute(agree).causes] == ["overfitting"]


def test_a_trainer_that_saw_more_is_believed_even_where_no_conversion_explains_it():
    unknown = replace(BROKEN["training_serving_skew"], reconverted=(Converted("tf", out_of(0.13, 256), True),))
    found = attribute(unknown)
    assert [(one.id, one.confidence) for one in found.causes] == [("training_serving_skew", "moderate")]


def test_a_match_of_moments_is_weaker_evidence_than_a_known_conversion():
    matched = (Converted("match moments", out_of(0.97), False),)
    found = attribute(replace(BROKEN["preprocessing_skew"], converted=matched))
    assert [(one.id, one.confidence) for one in found.causes] == [("preprocessing_skew", "moderate")]


def test_a_mismatched_head_that_learns_all_the_same_is_not_blamed():
    head = Head("softmax", 10, "softmax", "binary_crossentropy", ("softmax is trained with binary cross-entropy",))
    found = attribute(replace(BROKEN["label_order"], head=head))
    assert [one.id for one in found.causes] == ["label_order"]
    assert "and yet 100.0% of training examples are right" in found.ruled_out[0].by


def test_a_mismatched_head_that_learns_half_is_a_suspect_beside_others():
    head = Head("unknown", 10, "relu", "sparse_categorical_crossentropy", ("relu on the output cannot fall below 0",))
    found = attribute(measured(0.72, 0.53, 0.5, layers=(layer(True, 1.0),), head=head))
    assert ("loss_head_mismatch", "moderate") in [(one.id, one.confidence) for one in found.causes]


def test_copies_are_named_although_validation_looks_well_with_them():
    copies = Duplicates(tuple((position, position) for position in range(200)), NUM_VALIDATION)
    found = attribute(measured(1.0, 1.0, 0.97, duplicates=copies, without_duplicates=out_of(0.95, 300)))
    assert [one.id for one in found.causes] == ["duplicates"]


def test_overfitting_is_seen_on_what_counts_where_repeats_make_validation_look_well():
    found = attribute(measured(1.0, 1.0, 0.97, without_duplicates=out_of(0.8, 100)))
    assert [one.id for one in found.causes] == ["overfitting"]


def test_another_domain_is_no_cause_where_validation_is_no_worse():
    found = attribute(measured(0.12, 0.12, 0.12, domain=auc(0.97)))
    assert "distribution_shift" not in [one.id for one in found.causes]


def test_an_order_that_gives_back_a_third_is_no_cause():
    found = attribute(measured(1.0, 1.0, 0.1, relabelling=Relabelling(out_of(0.4), tuple(range(10))), domain=auc(0.97)))
    assert [one.id for one in found.causes] == ["distribution_shift"]


def test_another_order_that_only_guesses_is_no_cause():
    guessing = replace(measured(0.52, 0.52, 0.43), num_classes=2, majority_train=0.5, majority_validation=0.57)
    found = attribute(replace(guessing, relabelling=Relabelling(out_of(0.57), (1, 0))))
    assert "label_order" not in [one.id for one in found.causes]


def test_one_class_for_all_but_a_few_of_a_rare_one_is_a_collapse():
    rare = replace(measured(0.96, 0.96, 0.955), majority_train=0.95, majority_validation=0.95)
    found = attribute(replace(rare, label_shift=LabelShift(0.01, 0.9, 0.99, 0)))
    assert [one.id for one in found.causes] == ["class_collapse"]


def test_every_cause_has_a_title_and_a_fix_of_two_sentences():
    assert TITLES.keys() == FIXES.keys()
    for fix in FIXES.values():
        assert fix.endswith(".") and 2 <= fix.count(". ") + 1 <= 3, fix
