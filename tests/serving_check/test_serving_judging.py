"""The decision, from answers alone."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from components.serving_check.judging import INPUTS, OUTPUTS, Reference, findings, largest_difference
from components.serving_check.launch import ProbeRun, describe_exit
from components.serving_check.requests import Request

CLASSES = ["cat", "dog"]
REFERENCE = Reference(np.array([[0.75, 0.25]]), 8e-6)
GOOD = Request("good", (b"",), rows=(0,))
TWIN = Request("twin", (b"",), same_as="good")
BAD = Request("bad", (b"",), is_bad=True)
ANSWER = {"outcome": "answered", "probabilities": [[0.75, 0.25]], "class_index": [0], "class_name": ["cat"]}
REFUSED = {"outcome": "refused", "error": "InvalidArgumentError", "detail": "no picture"}
RUN = ProbeRun({"inputs": INPUTS, "outputs": OUTPUTS}, {"good": ANSWER, "twin": ANSWER, "bad": REFUSED})


def judge(run: ProbeRun, classes: Sequence[str] = CLASSES, reference: Reference | None = REFERENCE) -> tuple[str, ...]:
    return findings(run, (GOOD, TWIN, BAD), classes, reference)


def test_an_export_that_answers_and_refuses_as_it_should_may_serve() -> None:
    assert judge(RUN) == ()


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("good", {"probabilities": [[float("nan"), 0.25]]}, "good: probabilities must be finite"),
        ("good", {"probabilities": [[0.75, 0.5]]}, "good: probabilities must be positive and sum to 1"),
        ("good", {"probabilities": [[1.5, -0.5]]}, "good: probabilities must be positive"),
        ("good", {"probabilities": [[1.0]]}, r"good: probabilities must have shape \[1, 2\]; they have \[1, 1\]"),
        ("good", {"probabilities": None}, r"must have shape \[1, 2\]; they have None"),
        ("good", {"probabilities": [[0.7501, 0.2499]]}, "good: probabilities differ from the training graph's by"),
        ("twin", {"probabilities": [[0.7501, 0.2499]]}, "twin: probabilities differ from good's by"),
        ("good", {"class_name": ["dog"]}, "good: class_index and class_name must name"),
        ("good", {"class_name": ["emu"]}, "good: class_index and class_name must name"),
        ("good", {"class_index": [1]}, "good: class_index and class_name must name"),
        ("good", REFUSED, "good: must be answered; InvalidArgumentError: no picture"),
        ("bad", ANSWER, "bad: must be refused; it was answered with probabilities"),
        ("bad", {"error": "InternalError"}, "bad: must be refused with InvalidArgumentError; InternalError"),
    ],
)
def test_a_wrong_answer_is_a_finding_with_its_name(name: str, changes: dict, sentence: str) -> None:
    answers = {**RUN.answers, name: {**RUN.answers[name], **changes}}
    found = judge(replace(RUN, answers=answers))
    assert any(re.search(sentence, text) for text in found), found


def test_a_model_that_carries_rounding_far_may_answer_so_far_off() -> None:
    answers = {**RUN.answers, "good": {**ANSWER, "probabilities": [[0.7503, 0.2497]]}}
    far = judge(replace(RUN, answers=answers), reference=replace(REFERENCE, limit=1e-3))
    assert far == () and judge(replace(RUN, answers=answers))[0].startswith("good: probabilities differ")


@pytest.mark.parametrize("limit", [float("nan"), 0.0])
def test_a_limit_that_explains_nothing_allows_nothing(limit: float) -> None:
    answers = {**RUN.answers, "good": {**ANSWER, "probabilities": [[0.750001, 0.249999]]}}
    assert judge(replace(RUN, answers=answers), reference=replace(REFERENCE, limit=limit))


def test_an_answer_that_never_came_is_a_finding() -> None:
    answers = {name: answer for name, answer in RUN.answers.items() if name != "bad"}
    assert judge(replace(RUN, answers=answers)) == ("bad: no answer",)


def test_missing_evidence_means_no() -> None:
    assert judge(ProbeRun()) == ("the fresh process said nothing",)
    assert "no classes" in judge(RUN, classes=[])[0]
    assert judge(RUN, reference=None) == ("the training graph gave no probabilities to compare with",)


def test_a_crash_says_how_far_the_export_came() -> None:
    crashed = replace(RUN, failure=describe_exit(-11), answers={"good": ANSWER})
    assert judge(crashed) == ("the fresh process was killed by signal 11 (last answer: good)",)


@pytest.mark.parametrize(
    "signature",
    [
        {"inputs": {}, "outputs": {}},
        {"inputs": {"images": "string"}, "outputs": OUTPUTS},
        {"inputs": {**INPUTS, "more": "string"}, "outputs": OUTPUTS},
        {"inputs": INPUTS, "outputs": {**OUTPUTS, "probabilities": "float64"}},
    ],
)
def test_a_wrong_signature_is_the_one_finding(signature: dict) -> None:
    (found,) = judge(replace(RUN, signature=signature))
    assert "serving_default must take {'image_bytes': 'string'}" in found


def test_the_largest_difference_is_reported_and_is_absent_where_nothing_was_compared() -> None:
    answers = {"good": {**ANSWER, "probabilities": [[0.5, 0.5]]}}
    assert largest_difference(replace(RUN, answers=answers), (GOOD, TWIN, BAD), REFERENCE) == 0.25
    assert largest_difference(RUN, (GOOD,), None) is None
    assert largest_difference(ProbeRun(), (GOOD,), REFERENCE) is None
