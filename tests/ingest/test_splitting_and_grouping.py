import hashlib

import pytest

from components.ingest.grouping import settle
from components.ingest.items import Container, Measured, Reject
from components.ingest.names import escaped, label_fault
from components.ingest.report import DUPLICATE, KEPT, READ, WRITTEN, build_report
from components.ingest.splitting import fraction_of, side_of, stops


def measured(uri: str, label: str, split: str | None = None, content: str = "abc", group: str = "") -> Measured:
    return Measured(
        Container("file", uri, label, split), 0, uri, label, split, "", content, 1, 1, 1, "png",
        (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, group or content,
    )  # fmt: skip


def test_the_side_depends_on_the_content_alone_and_the_share_is_met() -> None:
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]
    fractions = [fraction_of(one) for one in hashes]
    assert 0 <= min(fractions) < max(fractions) < 1
    assert sum(side_of(one, 0.33) == "eval" for one in hashes) / len(hashes) == pytest.approx(0.33, abs=0.01)
    # A larger share takes pictures over and gives none back.
    assert all(side_of(one, 0.5) == "eval" for one in hashes if side_of(one, 0.33) == "eval")


def test_the_side_of_a_known_content_never_changes() -> None:
    assert [round(fraction_of(one), 4) for one in ("abc", "def")] == [0.0606, 0.4109]
    assert [stops(one, 0.1) for one in map(str, range(40))].index(True) == 4


def test_what_says_when_to_stop_is_drawn_from_the_training_side_by_another_draw() -> None:
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]
    sides = [settle([measured("a", "cat", content=one)], 0.33, 0.1).kept[0][1] for one in hashes]
    assert sides.count("stop") / len(hashes) == pytest.approx(0.067, abs=0.005)
    # Validation holds the same pictures, whatever is kept apart.
    assert [side == "eval" for side in sides] == [side_of(one, 0.33) == "eval" for one in hashes]


def test_of_given_splits_the_training_side_alone_gives_pictures_away() -> None:
    given = {split: settle([measured("a", "cat", split)], 0.5, 0.999).kept[0][1] for split in ("train", "eval")}
    assert given == {"train": "stop", "eval": "eval"}


def test_equal_pictures_are_kept_apart_together() -> None:
    settled = settle([measured("a", "cat"), measured("b", "cat")], 0.01, 0.999)
    assert [split for _, split in settled.kept] == ["stop", "stop"]


def test_equal_pictures_under_one_label_stay_together() -> None:
    settled = settle([measured("b", "cat"), measured("a", "cat"), measured("c", "cat")], 0.5, 0)
    assert [one.uri for one, _ in settled.kept] == ["a", "b", "c"]
    assert len({side for _, side in settled.kept}) == 1
    assert (settled.num_duplicates, settled.rejects) == (2, ())


def test_equal_pictures_under_two_labels_are_all_refused_naming_the_other_label() -> None:
    settled = settle([measured("a", "cat"), measured("b", "dog"), measured("c", "cat")], 0.5, 0)
    assert (settled.kept, settled.num_duplicates) == ((), 0)
    assert [(one.uri, one.reason) for one in settled.rejects] == [(uri, "conflicting_labels") for uri in "abc"]
    assert "'dog'" in settled.rejects[0].detail and "'cat'" in settled.rejects[1].detail.split("also")[1]


def test_a_picture_in_both_given_splits_stays_in_eval_only() -> None:
    settled = settle([measured("t", "cat", "train"), measured("e", "cat", "eval")], 0.5, 0)
    assert [(one.uri, side) for one, side in settled.kept] == [("e", "eval")]
    assert settled.rejects == (Reject("t", "also_in_eval", "the same picture is in the validation split"),)


def test_given_splits_are_kept_whatever_the_content() -> None:
    for split in ("train", "eval"):
        ((_, side),) = settle([measured("a", "cat", split)], 0.5, 0).kept
        assert side == split


COUNTS = {(READ, "", ""): 5, (KEPT, "train", "cat"): 2, (KEPT, "eval", "dog"): 1, (WRITTEN, "train", ""): 2,
          (WRITTEN, "eval", ""): 1, (DUPLICATE, "", ""): 1}  # fmt: skip
REJECTS = [Reject("a", "corrupt", "x"), Reject("b", "empty_file", "y")]


def test_a_report_adds_up() -> None:
    report = build_report("uri", "f", (), ("cat", "dog"), COUNTS, REJECTS, 0.33)
    assert (report.num_read, report.num_kept, report.num_rejected, report.num_duplicates) == (5, 3, 2, 1)
    assert report.by_class == {"train": {"cat": 2}, "stop": {}, "eval": {"dog": 1}}
    assert report.by_split == {"train": 2, "stop": 0, "eval": 1}
    assert report.rejected_by_reason == {"corrupt": 1, "empty_file": 1}


@pytest.mark.parametrize(
    ("key", "number"), [((READ, "", ""), 6), ((WRITTEN, "eval", ""), 2), ((KEPT, "eval", "dog"), 2)]
)
def test_a_report_that_does_not_add_up_cannot_be_made(key: tuple[str, str, str], number: int) -> None:
    with pytest.raises(ValueError, match=r"kept"):
        build_report("uri", "f", (), ("cat", "dog"), COUNTS | {key: number}, REJECTS, 0.33)


@pytest.mark.parametrize("label", ["", ".", "..", "../x", "/etc", "a\\b", "a\nb", "a\x00", "\x1b[31m", "é" * 128])
def test_labels_that_could_be_paths_or_controls_are_refused(label: str) -> None:
    assert label_fault(label)
    assert escaped(label).isprintable()


@pytest.mark.parametrize("label", ["cat", "5", "Grüner Tee", "猫", "a.b-c_d (e)", "é" * 127])
def test_ordinary_labels_are_accepted(label: str) -> None:
    assert label_fault(label) is None and escaped(label) == label
