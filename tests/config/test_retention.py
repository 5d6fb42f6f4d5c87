"""What is kept, decided from what is known of runs and versions alone."""

import pytest

from components.registry.protocol import AUDIT, FINGERPRINT, PREDECESSOR, WITHDRAWN, RegisteredVersion
from pipeline import retention
from pipeline.runners.results import RunSummary


def version(number: int, is_champion: bool = False, **tags: str) -> RegisteredVersion:
    known = {"after": PREDECESSOR, "withdrawn": WITHDRAWN, "audit": f"{AUDIT}1"}
    said = {FINGERPRINT: f"print-{number}"} | {known[key]: value for key, value in tags.items()}
    return RegisteredVersion(str(number), "run", said, "s", 0, is_champion)


def summary(number: int, status: str = "pushed", registered: int | None = None) -> RunSummary:
    is_judged = status in ("pushed", "blocked", "held")
    return RunSummary.model_validate(
        {
            "run_id": f"{number:03}",
            "pipeline": "digits",
            "started": "2026-01-01T00:00:00+00:00",
            "seconds": 1.0,
            "status": status,
            "exit_code": 0,
            "message": "",
            "verdict": {"decision": "PASS"} if is_judged else None,
            "served_version": None,
            "registered_version": str(registered) if registered else None,
            "card": None,
            "log": "",
            "config": {},
            "nodes": (),
        }
    )


def removed(summaries: list[RunSummary], keep: int, safe: tuple[RegisteredVersion, ...] = (), **others) -> list[str]:
    known = {one.run_id: one for one in summaries}
    return retention.runs_to_remove({*known, *others.get("killed", ())}, known, keep, safe)


def test_the_newest_stay():
    assert removed([summary(number) for number in range(1, 6)], 2) == ["001", "002", "003"]


def test_a_run_that_was_killed_is_one_of_the_newest_too():
    assert removed([summary(1), summary(2)], 1, killed=["003"]) == ["001"], "the last verdict stays"
    assert removed([summary(2), summary(3)], 2, killed=["001"]) == ["001"]


def test_the_runs_behind_the_champion_and_its_predecessor_stay():
    summaries = [summary(number, registered=number) for number in range(1, 7)]
    safe = (version(2, is_champion=True, after="1"), version(1))
    assert removed(summaries, 2, safe) == ["003", "004"]


def test_idle_runs_are_counted_by_themselves():
    summaries = [summary(1), *[summary(number, "unchanged") for number in range(2, 8)]]
    assert removed(summaries, 2) == ["002", "003", "004", "005"]


def test_the_last_verdict_stays_behind_any_number_of_failures():
    summaries = [summary(1), summary(2, "blocked"), *[summary(number, "failed") for number in range(3, 8)]]
    assert removed(summaries, 2) == ["001", "003", "004", "005"]


def test_the_champion_and_the_one_to_go_back_to_are_protected():
    versions = [version(1), version(2, after="1", withdrawn="Ada"), version(3, is_champion=True, after="2")]
    assert [one.version for one in retention.protected(versions)] == ["3", "1"]
    assert retention.protected([version(1)]) == ()
    assert [one.version for one in retention.protected([version(1, is_champion=True)])] == ["1"]


def test_registered_versions_that_nobody_needs_go():
    versions = [
        version(1, after=""),
        version(2, is_champion=True, after="1"),
        version(3),
        version(4, audit="{}"),
        RegisteredVersion("5", "", {}, "by hand", 0, False),
        version(6),
        version(7),
    ]
    assert [one.version for one in retention.registered_to_remove(versions, 1)] == ["3", "6"]
    assert retention.registered_to_remove(versions, 10) == []


@pytest.mark.parametrize(
    ("keep", "expected"),
    [(1, [2]), (2, [2]), (4, [])],
)
def test_served_versions_of_the_champion_stay_the_newest_of_each(keep, expected):
    # Version 1 is what a rollback serves; 3 holds the champion a second time; somebody else wrote 4.
    served = {1: "print-1", 2: "print-2", 3: "print-2", 4: "", 5: "print-5"}
    safe = (version(2, is_champion=True), version(1))
    assert retention.served_to_remove(served, keep, safe) == expected


def test_what_somebody_else_put_there_stays_and_takes_no_place_of_ours():
    assert retention.served_to_remove({7: "a", 8: "b", 9: ""}, 1, ()) == [7]
