"""G0: whether the evidence is there, whole, and about the model that will be served; pure."""

from collections.abc import Iterator

from components.diagnosis.symptoms import changes_surely
from components.parity import Parity
from components.push_gate.evidence import Check, Evidence, SplitMeasurement
from schemas import features

# Fewer pictures than this fall to one split by luck alone, however the data was split.
_COVERED_SLICE = 30
# TFMA keeps accuracies in float32.
_AGREEMENT = 1e-6


def integrity_checks(evidence: Evidence) -> tuple[Check, ...]:
    """All of G0, in the order a person would ask."""
    coverage = list(_coverage_findings(evidence))
    return (
        _check("measurement", "failure", [evidence.failure] if evidence.failure else [], "the export was measured"),
        _check("data", "data decision", list(_data_findings(evidence)), "the data gate passed the data"),
        _check("frozen weights", "freeze proof", list(_freeze_findings(evidence)), "frozen weights are as they were"),
        _check("coverage", "splits and slices", coverage, "everything was evaluated"),
        finite(evidence),
        _parity(evidence.parity),
        _check("agreement", "TFMA - gate", list(_agreement_findings(evidence)), "TFMA and the gate agree"),
    )


def finite(evidence: Evidence) -> Check:
    """G0: is every number finite?"""
    return _check("finite", "non-finite numbers", list(_nonfinite_findings(evidence)), "every number is finite")


def unchanged_source(evidence: Evidence) -> Check:
    """G0: is a frozen backbone the one that it was made from?"""
    note = evidence.source_note
    return _check("frozen weights", "frozen layers changed", [note] if note else [], "nothing says that they changed")


def one_by_one(evidence: Evidence) -> Check:
    """G0: does an example get the same answer by itself as in a batch?"""
    changed = evidence.changed_alone
    statistic = "answers that change"
    if changed is None:
        return Check("G0", "one by one", False, statistic, "examples were not asked about one by one.")
    detail = f"{changed.correct} of {changed.total} validation images get another answer by themselves than in a batch."
    return Check("G0", "one by one", changes_surely(changed), statistic, detail, changed.value)


def _check(name: str, statistic: str, findings: list[str], otherwise: str) -> Check:
    return Check("G0", name, bool(findings), statistic, "; ".join(findings) + "." if findings else f"{otherwise}.")


def _data_findings(evidence: Evidence) -> Iterator[str]:
    decision = evidence.data_decision
    if decision is None:
        yield "there is no decision about the data"
    elif not decision.passed:
        yield "the data gate refused the data (" + "; ".join(decision.reasons) + ")"


def _freeze_findings(evidence: Evidence) -> Iterator[str]:
    proof = evidence.freeze_proof
    if proof is None:
        yield "there is no proof that frozen weights stayed as they were"
        return
    if proof.frozen_before != proof.frozen_after:
        yield f"frozen weights changed while training (from {proof.frozen_before[:12]} to {proof.frozen_after[:12]})"
    if proof.trainable_weights != proof.expected_trainable_weights:
        yield f"{proof.trainable_weights} weights trained where the config asks for {proof.expected_trainable_weights}"
    if not proof.passed:
        yield "the trainer's freeze proof failed (" + "; ".join(proof.findings) + ")"


def _coverage_findings(evidence: Evidence) -> Iterator[str]:
    for split, measured in _splits(evidence).items():
        if measured is None:
            yield f"split {split} was never scored"
        elif measured.num_ingested is None:
            yield f"how many examples ingest wrote to split {split} is not known"
        elif measured.num_ingested != measured.num_examples:
            yield f"split {split} has {measured.num_examples} examples where ingest wrote {measured.num_ingested}"
        if split not in evidence.tfma:
            yield f"split {split} was never evaluated by TFMA"
        elif measured is not None:
            for name in sorted(measured.slices - evidence.tfma[split].slices):
                yield f"slice {name} of split {split} was never evaluated by TFMA"
    compared, written = evidence.num_compared, evidence.num_written
    if compared is None or compared != written:
        numbers = ("an unknown number" if number is None else number for number in (compared, written))
        yield "copies were sought among {} of training images where ingest wrote {}".format(*numbers)
    if features.TRAIN in evidence.tfma:
        for part in evidence.slices:
            large = part.validation.total >= _COVERED_SLICE
            if large and part.name not in evidence.tfma[features.TRAIN].slices:
                yield f"slice {part.name} has {part.validation.total} validation images and no training image"


def _nonfinite_findings(evidence: Evidence) -> Iterator[str]:
    yield from (f"{name} is not a finite number" for name in evidence.nonfinite)


def _parity(parity: Parity | None) -> Check:
    statistic = "max |served - trained|"
    if parity is None:
        detail = "served probabilities were not compared with the training graph's."
        return Check("G0", "parity", False, statistic, detail)
    detail = (
        f"served probabilities are {parity.difference:.2g} off the training graph's, and rounding explains "
        f"{parity.limit:.2g}."
    )
    return Check("G0", "parity", not parity.holds, statistic, detail, parity.difference, threshold=parity.limit)


def _agreement_findings(evidence: Evidence) -> Iterator[str]:
    for split, measured in _splits(evidence).items():
        theirs = evidence.tfma.get(split)
        if measured is None or theirs is None:
            continue
        if theirs.num_examples != measured.num_examples:
            yield f"TFMA evaluated {theirs.num_examples} {split} examples of {measured.num_examples}"
        if measured.scored.total < measured.num_examples:
            continue
        # Two correct programs may break an exact tie differently; nothing else may differ.
        tolerance = _AGREEMENT + measured.num_undecided / measured.scored.total
        if theirs.accuracy is None or not abs(theirs.accuracy - measured.scored.value) <= tolerance:
            yield f"TFMA's {split} accuracy is {theirs.accuracy} where the gate counted {measured.scored.value:.7f}"


def _splits(evidence: Evidence) -> dict[str, SplitMeasurement | None]:
    return {features.TRAIN: evidence.train, features.EVAL: evidence.validation}
