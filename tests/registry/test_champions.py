"""Which version may serve, decided from what the registry says alone."""

from datetime import UTC, datetime

import pytest

from components.errors import DataRefused
from components.registry import champions
from components.registry.protocol import (
    ACCURACY,
    APPROVED,
    BASELINE,
    CODES,
    DECISION,
    FINGERPRINT,
    PREDECESSOR,
    SERVES,
    WEIGHTS,
    WITHDRAWN,
    RegisteredVersion,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def version(number: str, is_champion: bool = False, **tags: str) -> RegisteredVersion:
    known = {"decision": DECISION, "codes": CODES, "serves": SERVES, "approved": APPROVED, "withdrawn": WITHDRAWN}
    known |= {"after": PREDECESSOR, "fingerprint": FINGERPRINT, "weights": WEIGHTS, "baseline": BASELINE}
    known["accuracy"] = ACCURACY
    said = {
        "fingerprint": f"print-{number}",
        "weights": f"weights-{number}",
        "decision": "PASS",
        "serves": "yes",
    } | tags
    return RegisteredVersion(number, "run", {known[key]: value for key, value in said.items()}, "s", 0, is_champion)


@pytest.mark.parametrize(
    ("judged_against", "versions"),
    [
        (None, []),
        (None, [version("1", decision="BLOCK")]),
        ("1", [version("1", is_champion=True), version("2")]),
        # The candidate is the champion already: by its content, or as another process wrote the same run down.
        (None, [version("1", is_champion=True, fingerprint="candidate")]),
        (None, [version("1", is_champion=True, weights="mine")]),
        # Somebody took one version of it back and made another one champion.
        (None, [version("1", weights="mine", withdrawn="Ada"), version("2", is_champion=True, weights="mine")]),
    ],
)
def test_a_model_that_was_compared_with_the_present_champion_may_be_served(judged_against, versions):
    assert champions.objection("candidate", "mine", judged_against, versions) is None


@pytest.mark.parametrize(
    ("judged_against", "versions", "sentence"),
    [
        ("1", [version("1"), version("2", is_champion=True)], "the champion was 1 when .* and is 2 now; run again"),
        (None, [version("2", is_champion=True)], "the champion was none when .* and is 2 now"),
        ("1", [version("1")], "the champion was 1 when .* and is none now"),
        ("1", [version("1", is_champion=True), version("3", fingerprint="candidate", withdrawn="Ada")],
         "served as version 3 and taken back by Ada; `frostgate registry promote 3`"),
        ("1", [version("1", is_champion=True), version("3", weights="mine", withdrawn="Ada")], "taken back by Ada"),
        # In the middle of a rollback, which marks first and moves the alias then.
        (None, [version("1", is_champion=True, weights="mine", withdrawn="Ada")], "taken back by Ada"),
    ],
)  # fmt: skip
def test_what_stands_against_serving_a_model_is_said(judged_against, versions, sentence):
    import re

    found = champions.objection("candidate", "mine", judged_against, versions)
    assert found is not None and re.search(sentence, found)


def test_models_without_weights_are_not_the_same_model():
    versions = [version("1", is_champion=True), version("2", weights="", withdrawn="Ada")]
    assert champions.objection("candidate", "", "1", versions) is None


@pytest.mark.parametrize("tags", [{}, {"decision": "HOLD", "approved": "Ada"}, {"decision": "BLOCK", "approved": "A"}])
def test_what_passed_or_was_answered_for_may_serve(tags):
    champions.may_serve(version("1", **tags))


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ({"decision": "HOLD", "codes": "HOLD"}, r"HOLD \(HOLD\); .*: frostgate approve 7 --by NAME --reason TEXT$"),
        ({"decision": "BLOCK", "codes": "G1,G3"}, "--override-code G1 --override-code G3$"),
        ({"serves": "no"}, "failed the serving check"),
        ({"decision": "HOLD", "approved": "Ada", "serves": "no"}, "failed the serving check"),
    ],
)
def test_nothing_else_may_serve(tags, sentence):
    with pytest.raises(DataRefused, match=sentence):
        champions.may_serve(version("7", **tags))


def test_what_was_registered_by_hand_was_never_judged():
    with pytest.raises(DataRefused, match="registered by hand and never judged"):
        champions.may_serve(RegisteredVersion("1", "", {}, "s", 0, False))


def test_one_goes_back_to_the_champion_before_and_further():
    first, second = version("1"), version("2", after="1")
    third = version("3", is_champion=True, after="2")
    assert champions.before(third, [first, second, third]).version == "2"
    assert champions.before(version("3", after="2"), [first, version("2", after="1", withdrawn="A")]).version == "1"


@pytest.mark.parametrize(
    ("champion", "versions", "sentence"),
    [
        (None, [version("1")], "no champion to roll back"),
        (version("1", after=""), [version("2")], "no version before it"),
        (version("1"), [version("2")], "no version before it"),
        # Its predecessor was deleted; and versions that point at each other end the search.
        (version("2", after="1"), [], "no version before it"),
        (version("2", after="1"), [version("1", after="2", withdrawn="A"), version("2", after="1")], "no version"),
    ],
)
def test_where_there_is_nothing_to_go_back_to_that_is_said(champion, versions, sentence):
    with pytest.raises(DataRefused, match=sentence):
        champions.before(champion, versions)


@pytest.mark.parametrize(
    ("tags", "codes"),
    [({"decision": "HOLD", "codes": "HOLD"}, []), ({"decision": "BLOCK", "codes": "G1,G3,HOLD"}, ["G3", "G1"])],
)
def test_an_approval_names_every_code_that_blocked(tags, codes):
    champions.unapproved(version("1", **tags), codes)


@pytest.mark.parametrize(
    ("tags", "codes", "sentence"),
    [
        ({}, [], "judged PASS; only a held or blocked one is approved"),
        ({"decision": "BLOCK", "codes": "G1,G3"}, ["G3"], "--override-code G1 --override-code G3; received G3"),
        ({"decision": "BLOCK", "codes": "G3"}, [], "--override-code G3; received none"),
        ({"decision": "HOLD", "codes": "HOLD"}, ["G3"], "no --override-code; received G3"),
        ({"decision": "BLOCK", "codes": "G3", "serves": "no"}, ["G3"], "failed the serving check"),
    ],
)
def test_any_other_approval_is_refused(tags, codes, sentence):
    with pytest.raises(DataRefused, match=sentence):
        champions.unapproved(version("1", **tags), codes)


def test_what_people_did_is_kept_in_order_and_never_overwritten():
    tags = champions.audit("promote", "Ada", "best yet", NOW) | champions.audit(
        "rollback", "Bob", "", NOW.replace(minute=1), champion_before="3"
    )
    assert [(entry["action"], entry["by"]) for entry in champions.audited(tags)] == [
        ("promote", "Ada"),
        ("rollback", "Bob"),
    ]
    assert champions.audited(tags)[1]["champion_before"] == "3"


def test_a_new_champion_remembers_the_one_before_and_is_no_longer_taken_back():
    tags = champions.promotion(version("3"), NOW)
    assert (tags[PREDECESSOR], tags[WITHDRAWN]) == ("3", "")
    assert champions.promotion(None, NOW)[PREDECESSOR] == ""


def line(**changes: dict[str, str]) -> list[RegisteredVersion]:
    """Four champions, one after the other, each three points worse; changes by version's number."""
    found = []
    for number, accuracy in (("1", "0.9800"), ("2", "0.9500"), ("3", "0.9200"), ("4", "0.8900")):
        tags = {"accuracy": f"{accuracy} [0.8, 0.99]", "after": str(int(number) - 1)} | changes.get(f"v{number}", {})
        found.append(version(number, number == "4", **tags))
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "123"),
        ({"v1": {"withdrawn": "Ada"}}, "23"),
        ({"v2": {"accuracy": "not known"}}, "13"),
        ({"v2": {"accuracy": "0.8800 [0.8, 0.9]"}}, "13"),
        ({"v3": {"after": ""}}, "3"),
        ({"v3": {"after": "4"}}, "3"),
        ({"v4": {"accuracy": "0.9900 [0.9, 1.0]"}}, ""),
    ],
)
def test_better_champions_of_before_are_found_the_best_first(changes: dict[str, dict[str, str]], expected: str) -> None:
    versions = line(**changes)
    assert "".join(one.version for one in champions.better_ancestors(versions[-1], versions)) == expected
    # One that the registry no longer has ends the line.
    left = [one for one in versions if one.version != "2"]
    assert {one.version for one in champions.better_ancestors(versions[-1], left)} <= {"3"}
