"""The page as text: what it says, what it refuses, and that nothing of the data becomes markup."""

import math
import re
from collections.abc import Mapping
from typing import Any

import pytest

from components.card.facts import NodeFacts, RunFacts
from components.card.formats import interval, number, percent, png_uri, seconds
from components.card.render import render
from components.card.sections import check_rows, class_rows, confusion_rows, gauge

HOSTILE = "<script>alert(1)</script>\"' onload=x $\\frac{"


def section(page: str, name: str) -> str:
    return page[page.index(f'<section id="{name}"') :].split("</section>")[0]


def everywhere(value: Any, text: str) -> Any:
    """The same structure with every string, keys of the contract apart, replaced by the text."""
    if isinstance(value, Mapping):
        return {key: everywhere(one, text) for key, one in value.items()}
    if isinstance(value, list):
        return [everywhere(one, text) for one in value]
    return text if isinstance(value, str) and not value.startswith("data:") else value


@pytest.mark.parametrize(
    ("decision", "title"),
    [("PASS", "may be served"), ("BLOCK", "is blocked"), ("HOLD", "A person must decide")],
)
def test_each_decision_says_what_it_means(verdict: dict, evidence: dict, decision: str, title: str) -> None:
    page = section(render(verdict | {"decision": decision}, evidence, None), "verdict")
    assert title in page and f">{decision}<" in page and verdict["sentence"] in page


def test_a_verdict_without_a_decision_is_refused(verdict: dict) -> None:
    with pytest.raises(ValueError, match="received decision 'MAYBE'"):
        render(verdict | {"decision": "MAYBE"}, {}, None)


def test_every_fired_code_is_in_the_verdict_and_in_the_table(collapsed: tuple[dict, dict]) -> None:
    page = render(*collapsed, None)
    assert all(f">{code}<" in section(page, "verdict") for code in ("G1", "G2"))
    assert section(page, "checks").count("✕ fired") == 2
    assert "0.628 to 0.676" in section(page, "checks")


def test_nothing_of_the_data_becomes_markup(verdict: dict, evidence: dict) -> None:
    hostile = everywhere(verdict, HOSTILE) | {"decision": "BLOCK"}
    hostile["checks"][0]["code"] = HOSTILE
    hostile_evidence = everywhere(evidence, HOSTILE)
    hostile_evidence["ingest"]["rejected_by_reason"] = {HOSTILE: 3}
    facts = RunFacts(HOSTILE, HOSTILE, 1.0, (NodeFacts(HOSTILE, HOSTILE, 1.0),), HOSTILE, HOSTILE, None, HOSTILE)
    page = render(hostile, hostile_evidence, facts)
    assert page.count("&lt;script&gt;") > 50
    assert "<script" not in page
    assert not re.search(r"<[^>]*\sonload=x", re.sub(r'"[^"]*"', '""', page))


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/x.png",
        "data:text/html;base64,PGI+",
        "data:image/png;base64,@@",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:image/png;base64,PGI+",
        "javascript:alert(1)",
        7,
        None,
    ],
)
def test_only_an_embedded_png_becomes_an_image(verdict: dict, evidence: dict, uri: Any) -> None:
    evidence["worst"] = [evidence["worst"][0] | {"thumbnail": uri}]
    page = section(render(verdict, evidence, None), "worst")
    assert "<img" not in page and "no image" in page
    assert png_uri(uri) is None


def test_a_page_may_fetch_nothing(verdict: dict, evidence: dict, run_facts: RunFacts) -> None:
    page = render(verdict, evidence, run_facts)
    assert "default-src 'none'" in page
    # Namespaces are names; nothing else may look like an address.
    assert set(re.findall(r"https?://[^\"' <]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_whatever_is_missing_is_said_to_be(sections: tuple[str, ...]) -> None:
    page = render({"decision": "BLOCK", "sentence": "Blocked."}, {}, None)
    for name in sections:
        assert name == "verdict" or "not available" in section(page, name), name


def test_null_parts_are_said_to_be_missing(verdict: dict, evidence: dict) -> None:
    verdict["measurements"]["A"] = None
    page = render(verdict, evidence | {"history": None, "freeze_proof": None, "ingest": None}, None)
    assert "Training history: not available" in section(page, "curves")
    assert "Freeze proof: not available" in section(page, "freeze")
    assert "Ingest report: not available" in section(page, "data")
    assert "A not available" in section(page, "measurements")


def test_a_check_that_lacked_its_evidence_is_not_called_quiet() -> None:
    without = {"code": "G1", "name": "mode gap", "fired": False, "statistic": "A - B", "value": None, "threshold": 0.05}
    assert check_rows([without])[0]["state"] == "not examined"
    assert check_rows([without | {"value": 0.0}])[0]["state"] == "quiet"
    assert check_rows([without | {"fired": True}])[0]["state"] == "fired"


def test_a_yes_or_no_check_needs_no_value_to_be_quiet() -> None:
    assert check_rows([{"code": "G0", "name": "finite", "fired": False, "value": None}])[0]["state"] == "quiet"


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_not_finite_are_shown_as_such(verdict: dict, evidence: dict) -> None:
    verdict["measurements"]["C"] |= {"value": math.nan, "interval": {"low": math.nan, "high": math.inf, "level": 0.95}}
    verdict["measurements"]["loss"]["eval"] = math.inf
    verdict["checks"][5] |= {"value": math.nan}
    for epoch in evidence["history"]["phases"][0]["epochs"]:
        epoch |= {"loss": math.nan, "train_loss": math.inf, "stop_loss": None}
    evidence["reliability"]["expected_calibration_error"] = math.nan
    page = render(verdict, evidence, None)
    assert page.count("not finite") >= 5
    assert not re.search(r"\b(nan|NaN|inf|Infinity)\b", re.sub(r"base64,[^\"]*", "", page))


@pytest.mark.filterwarnings("error")
def test_many_classes_keep_the_page_small_and_the_matrix_without_names(verdict: dict, evidence: dict) -> None:
    names = [f"species {index}" for index in range(200)]
    matrix = [
        [20 if row == column else int((row * 7 + 3) % 200 == column) for column in range(200)] for row in range(200)
    ]
    per_class = [
        {"class": name, "count": 21, "precision": 0.9, "recall": index / 200} for index, name in enumerate(names)
    ]
    evidence |= {"classes": names, "confusion": {"train": matrix, "eval": matrix}, "per_class": per_class}
    page = render(verdict, evidence, None)
    drawn = section(page, "confusion")
    assert len(page.encode()) < 1_000_000
    assert drawn.split("Most frequent mistakes")[0].count("<text") < 40
    assert "200 classes" in drawn
    assert "The other 180 classes" in section(page, "classes")


def test_few_classes_have_names_and_counts_in_the_matrix(verdict: dict, evidence: dict) -> None:
    matrix = [[17, 3], [0, 23]]
    evidence |= {"classes": ["cat", "chien & loup"], "confusion": {"train": None, "eval": matrix}}
    drawn = section(render(verdict, evidence, None), "confusion")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert {"17", "3", "23", "cat", "chien &amp; …"} <= set(texts) | {"chien &amp; …"}
    assert "0" not in texts
    assert any(text.startswith("chien &amp;") for text in texts)
    assert "Training split: not available" in drawn


@pytest.mark.parametrize(
    "label", ["", "猫", "\x00\x1b\n", "\udcff", "\u202egnp", "$x$", "$\\frac{$", "a" * 5000, "]]>", "<!--"]
)
@pytest.mark.filterwarnings("error")
def test_any_label_can_be_drawn_and_written(verdict: dict, evidence: dict, label: str) -> None:
    evidence |= {"classes": [label, "b"], "confusion": {"eval": [[3, 1], [0, 2]]}}
    evidence["worst"][0] |= {"label": label, "uri": label}
    assert render(verdict, evidence, None).encode("utf-8")


def test_the_same_run_makes_the_same_page(verdict: dict, evidence: dict, run_facts: RunFacts) -> None:
    assert render(verdict, evidence, run_facts) == render(verdict, evidence, run_facts)


def test_no_id_occurs_twice(verdict: dict, evidence: dict, run_facts: RunFacts) -> None:
    ids = re.findall(r'\sid="([^"]+)"', render(verdict, evidence, run_facts))
    assert len(ids) == len(set(ids)) > 100


def test_a_reference_inside_a_picture_finds_its_target(verdict: dict, evidence: dict) -> None:
    page = render(verdict, evidence, None)
    targets = set(re.findall(r'\sid="([^"]+)"', page))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', page)) <= targets


def test_a_diagnosis_is_shown_only_when_there_is_one(verdict: dict, evidence: dict, diagnosis: dict) -> None:
    assert 'id="diagnosis"' not in render(verdict, evidence, None)
    diagnosis["causes"][0]["title"] = "frozen <BatchNorm>"
    shown = section(render(verdict | {"diagnosis": diagnosis}, evidence, None), "diagnosis")
    assert "frozen &lt;BatchNorm&gt;" in shown and diagnosis["causes"][0]["fix"] in shown
    assert "the best relabelling gains nothing" in shown and "no layer to take embeddings from" in shown


def test_what_the_training_started_from_is_said_with_its_curves(verdict: dict, evidence: dict) -> None:
    sentence = "The training started cold: version 3 knows other classes (<cat>, dog; these images: a, b)."
    start = {"version": None, "sentence": sentence}
    shown = section(render(verdict | {"warm_start": start}, evidence, None), "curves")
    assert sentence.replace("<cat>", "&lt;cat&gt;") in shown
    for nothing in ({}, {"warm_start": None}):
        assert "started" not in section(render(verdict | nothing, evidence, None), "curves")


def test_each_piece_of_evidence_for_a_diagnosis_has_its_plot(verdict: dict, evidence: dict, diagnosis: dict) -> None:
    picture = {"uri": "val/1.png", "label": "7", "thumbnail": evidence["worst"][0]["thumbnail"]}
    copies = [{"validation": picture, "train": picture | {"uri": "train/9.png"}}]
    page = render(verdict | {"diagnosis": diagnosis}, evidence | {"copies": copies}, None)
    shown = section(page, "diagnosis")
    assert "Distance of moving statistics from those of the data in 2 BatchNorm layers" in shown
    assert "training: training mode 76.0 %" in shown and "training: BatchNorm re-estimated 75.0 %" in shown
    assert "0.25 standard deviations apart" in shown
    assert shown.count("<img") == 2 and "train/9.png" in shown


def test_a_diagnosis_that_could_not_examine_anything_says_so(verdict: dict, evidence: dict) -> None:
    unknown = {"causes": [], "ruled_out": [], "unexamined": [{"id": "every cause", "why": "the disk was full"}]}
    document = {"sentence": "No cause was found.", "measurements": None, "forward_passes": 0.0} | unknown
    shown = section(render(verdict | {"diagnosis": document}, evidence, None), "diagnosis")
    assert "No cause was found." in shown and "the disk was full" in shown and "<svg" not in shown


def test_the_run_s_facts_are_on_the_page(verdict: dict, evidence: dict, run_facts: RunFacts) -> None:
    page = render(verdict, evidence, run_facts)
    assert "20260105-093012-4f2a" in page and "1767605412" in page and "3 min 25 s" in page
    assert "1 min 35 s" in section(page, "timing") and "cached" in section(page, "timing")
    assert "26.9 ms" in section(page, "serving") and "BMP" in section(page, "serving")
    assert "epochs: 12" in section(page, "provenance")


def test_slices_show_their_counts(verdict: dict, evidence: dict) -> None:
    page = section(render(verdict, evidence, None), "checks")
    assert "97.6 % (41 of 42)" in page and "-0.01 to 0.1" in page


def test_rejects_are_listed_by_reason_with_examples(verdict: dict, evidence: dict) -> None:
    page = section(render(verdict, evidence, None), "data")
    assert "<dt>unsupported_format</dt><dd>4</dd>" in page and "digits/6/broken-6.bmp" in page


def test_mistakes_are_listed_most_frequent_first() -> None:
    rows = confusion_rows([[5, 1, 0], [0, 4, 6], [0, 0, 0]], ["a", "b"])
    assert [(row["true"], row["predicted"], row["count"], row["share"]) for row in rows] == [
        ("b", 2, 6, 0.6),
        ("a", "b", 1, 1 / 6),
    ]


def test_a_class_without_validation_images_comes_last() -> None:
    rows = class_rows(
        [{"class": "a", "recall": None}, {"class": "b", "recall": 0.9}, {"class": "c", "recall": 0.1}], None
    )
    assert [row["class"] for row in rows] == ["c", "b", "a"]


def test_a_gauge_keeps_the_order_of_its_numbers() -> None:
    drawn = gauge({"value": -0.1, "interval": {"low": -0.2, "high": 0.1}, "threshold": 0.3})
    assert drawn is not None
    assert 0 < drawn["low"] < drawn["value"] < drawn["zero"] < drawn["high"] < drawn["threshold"] < 100
    assert gauge({"value": math.nan, "interval": {"low": 0, "high": 1}, "threshold": 0.3}) is None


def test_values_are_written_for_people() -> None:
    assert [number(one) for one in (None, math.nan, 1373, 0.0000024, True, "x")] == [
        "not available",
        "not finite",
        "1,373",
        "2.4e-06",
        "yes",
        "x",
    ]
    assert percent(0.97926) == "97.9 %"
    assert [seconds(one) for one in (0.04, 59.9, 61, 7384)] == ["0.0 s", "59.9 s", "1 min 01 s", "2 h 03 min"]
    assert interval({"low": None, "high": 0.5}, percent) == "not available to 50.0 %"
