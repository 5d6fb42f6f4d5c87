"""The decision: evidence in, verdict out; pure. Missing evidence never passes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from components.copies.counting import MOST_COPIES
from components.push_gate.evidence import Check, Evidence, percent
from components.push_gate.integrity import finite, integrity_checks, one_by_one, unchanged_source
from components.push_gate.quality import (
    HOLD,
    SliceResult,
    ancestor,
    baseline,
    chance,
    dead_classes,
    degenerate,
    floor,
    generalisation,
    judge_slices,
    label_order,
    mode_gap,
    slice_generalisation,
)
from components.push_gate.settings import GateSettings

Outcome = Literal["PASS", "BLOCK", "HOLD"]


@dataclass(frozen=True)
class Decision:
    """The rule's answer: every check that was made, and what follows from those that fired."""

    outcome: Outcome
    sentence: str
    codes: tuple[str, ...]
    checks: tuple[Check, ...]
    slices: tuple[SliceResult, ...]


def decide(evidence: Evidence, settings: GateSettings) -> Decision:
    """Decides whether a model may be pushed.

    Args:
        evidence: What was measured; a field left at None was not.
        settings: The thresholds.

    Returns:
        BLOCK if any of G0 to G5 fired, else HOLD if any reason to hold did, else PASS; every code that fired, in order,
        each once. The sentence is about the first check that fired.
    """
    slices = judge_slices(evidence, settings)
    against_guessing, against_floor = chance(evidence, settings), floor(evidence, settings)
    one_class = degenerate(evidence, settings)
    blocks = (
        *integrity_checks(evidence),
        mode_gap(evidence, settings),
        against_guessing,
        generalisation(evidence, settings),
        slice_generalisation(slices, settings),
        against_floor,
        baseline(evidence, settings),
        ancestor(evidence, settings),
        label_order(evidence, settings),
        one_class,
    )
    uncertain = (_unproven(against_guessing), _unproven(against_floor), _uncertain_degenerate(one_class))
    return _decision(blocks, _holds(evidence, settings, uncertain), slices, evidence)


def decide_on_scores(evidence: Evidence, settings: GateSettings) -> Decision:
    """Decides by the scores alone, for a model that no pipeline made: no lineage, no champion, no serving path.

    Args:
        evidence: `train`, `validation`, `guessing`, `modes`, `nonfinite`, `changed_alone`, `source_note`, `copies`,
            shares; the rest is not looked at.
        settings: The thresholds.

    Returns:
        As `decide`, from G0's finiteness, frozen weights and answers one by one, from G1, G2, G3, G5 and the reasons to
        hold.
    """
    accuracy, one_class = chance(evidence, settings), degenerate(evidence, settings)
    blocks = (
        finite(evidence),
        unchanged_source(evidence),
        one_by_one(evidence),
        mode_gap(evidence, settings),
        accuracy,
        generalisation(evidence, settings),
        one_class,
    )
    holds = (
        _copies(evidence),
        _uncertain_gap(evidence, settings),
        _few_examples(evidence, settings),
        _unproven(accuracy),
        _uncertain_degenerate(one_class),
        _mode_unexamined(evidence),
    )
    return _decision(blocks, holds, (), evidence)


def _decision(
    blocks: Sequence[Check], holds: Sequence[Check], slices: tuple[SliceResult, ...], evidence: Evidence
) -> Decision:
    checks = (*blocks, *holds)
    fired = [check for check in checks if check.fired]
    outcome = _outcome([check.code for check in fired])
    return Decision(
        outcome=outcome,
        sentence=_sentence(outcome, fired, evidence),
        codes=tuple(dict.fromkeys(check.code for check in fired)),
        checks=checks,
        slices=slices,
    )


def _holds(evidence: Evidence, settings: GateSettings, uncertain: Sequence[Check]) -> tuple[Check, ...]:
    return (
        _copies(evidence),
        _uncertain_gap(evidence, settings),
        dead_classes(evidence, settings),
        _few_examples(evidence, settings),
        *uncertain,
        _unexamined(evidence),
        _uncompared_champion(evidence),
    )


def _uncertain_gap(evidence: Evidence, settings: GateSettings) -> Check:
    gap, threshold = generalisation(evidence, settings), settings.hold_generalisation_gap
    if gap.interval is None:
        return Check(HOLD, "uncertain gap", False, gap.statistic, gap.detail, threshold=threshold)
    detail = f"the gap between training and validation may be as large as {percent(gap.interval.high)}."
    fired = gap.interval.high > threshold
    return Check(HOLD, "uncertain gap", fired, gap.statistic, detail, gap.value, gap.interval, threshold)


def _copies(evidence: Evidence) -> Check:
    """Accuracy on what was seen in training says nothing about what was not."""
    found, statistic = evidence.copies, "copies in validation"
    if found is None:
        detail = "nobody looked for copies of validation images."
        return Check(HOLD, "copies", True, statistic, detail, threshold=MOST_COPIES)
    detail = (
        f"{found.num_seen} of {found.num_distinct} validation images of distinct content are copies of training images"
    )
    if found.num_parted:
        detail += f" or of a group that training has images of ({found.num_parted} by data.group)"
    if found.num_near:
        detail += f", {found.num_near} of them flipped, turned, moved or from the same film"
    if found.num_expected:
        detail += f", and about {found.num_expected} more must be by a sample"
    if found.num_other_label:
        detail += f", {found.num_other_label} of them under another label"
    if found.num_contradictory:
        detail += f"; {found.num_contradictory} are in validation under several labels"
    if found.are_many and found.examples:
        detail += " (" + "; ".join(f"{ours} shows what {theirs} shows" for ours, theirs in found.examples) + ")"
    if found.are_many:
        detail += "; split by content, or by what the images were taken of, and train again"
    return Check(HOLD, "copies", found.are_many, statistic, f"{detail}.", found.share, threshold=MOST_COPIES)


def _unproven(check: Check) -> Check:
    """What an accuracy is surely not below, it may yet not be surely above; one that is not known is above nothing."""
    interval, threshold = check.interval, check.threshold
    reached = interval is not None and threshold is not None and interval.low >= threshold
    return replace(check, code=HOLD, name=f"uncertain {check.name}", fired=not check.fired and not reached)


def _uncertain_degenerate(check: Check) -> Check:
    """Nearly everything is predicted to be one class, of images that are too few to tell that from luck."""
    reached = check.value is not None and check.threshold is not None and check.value >= check.threshold
    return replace(check, code=HOLD, name=f"uncertain {check.name}", fired=reached and not check.fired)


def _few_examples(evidence: Evidence, settings: GateSettings) -> Check:
    total = evidence.validation.counts.total if evidence.validation else 0
    copies = evidence.copies
    whose = " of distinct content that training does not hold" if copies and total < copies.num_validation else ""
    needed = settings.min_eval_examples
    detail = f"there are {total} validation images{whose}, and {needed} are needed to decide."
    return Check(HOLD, "few examples", total < needed, "validation images", detail, total, threshold=needed)


def _unexamined(evidence: Evidence) -> Check:
    missing = []
    if evidence.modes is None:
        missing.append("the mode gap could not be examined, for the export has neither a Keras model nor a history")
    if evidence.parity is None:
        missing.append("served probabilities could not be compared with the training graph's")
    if evidence.top_share is None:
        missing.append("how often each class is predicted is not known")
    detail = "; ".join(missing) if missing else "everything was examined"
    return Check(HOLD, "not examined", bool(missing), "missing measurements", f"{detail}.", float(len(missing)))


def _uncompared_champion(evidence: Evidence) -> Check:
    note = evidence.champion_note
    detail = (
        f"{note}, so nothing says that this model is better; give this data another name, or let a person replace it."
        if note
        else "no champion was left uncompared."
    )
    return Check(HOLD, "uncompared champion", bool(note), "champions not compared", detail, float(bool(note)))


def _mode_unexamined(evidence: Evidence) -> Check:
    missing = evidence.modes is None
    detail = "the mode gap could not be examined, for the model has no training mode" if missing else "it was examined"
    return Check(HOLD, "not examined", missing, "missing measurements", f"{detail}.", float(missing))


def _outcome(codes: Sequence[str]) -> Outcome:
    if any(code != HOLD for code in codes):
        return "BLOCK"
    return "HOLD" if codes else "PASS"


def _sentence(outcome: Outcome, fired: Sequence[Check], evidence: Evidence) -> str:
    if outcome == "PASS":
        assert evidence.validation is not None and evidence.train is not None, "a pass without measurements"
        counts, training = evidence.validation.counts, evidence.train.counts
        return (
            f"Passed: {percent(counts.value)} of {counts.total} validation images and {percent(training.value)} of "
            f"{training.total} training images are right, and no check fired."
        )
    first = fired[0]
    return f"{'Blocked' if outcome == 'BLOCK' else 'Held'} ({first.code} {first.name}): {first.detail}"
