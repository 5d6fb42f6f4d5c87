"""Which deliveries a run reads, and how they become one source."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import DataRefused
from components.ingest import spans
from components.ingest.settings import DataSettings
from components.ingest.sources import discover, list_source
from pipeline.config import load
from pipeline.config_errors import ConfigRefused

Png = Callable[[int], bytes]


@pytest.fixture
def deliver(tmp_path: Path, png: Png) -> Callable[..., Path]:
    """Writes a delivery of two classes; another seed, other pictures."""

    def write(name: str, seed: int, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
        for number, label in enumerate(classes):
            folder = tmp_path / name / label
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{seed}.png").write_bytes(png(10 * seed + number))
        return tmp_path / name

    return write


def settings(tmp_path: Path, pattern: str = "span-{SPAN}", **told: object) -> DataSettings:
    return DataSettings.model_validate({"uri": f"{tmp_path}/{pattern}", **told})


@pytest.mark.parametrize("written", ["{span}", "{DATE}", "{yyyy-mm-dd}", "{Span}"])
def test_a_mistyped_placeholder_is_a_sentence(written: str) -> None:
    sentence = f"data.uri must have {{SPAN}} or {{YYYY-MM-DD}} where deliveries differ; received {written}."
    with pytest.raises(ConfigRefused, match=re.escape(sentence)):
        load(None, [f"data.uri=pictures/span-{written}"])
    assert load(None, ["data.uri=pictures/{a}/b"]).data.uri == "pictures/{a}/b"


def numbers(tmp_path: Path, pattern: str = "span-{SPAN}", newest: int = 0, window: int = 1) -> list[int]:
    return [span.number for span in spans.find(f"{tmp_path}/{pattern}", newest, window)]


def test_the_newest_span_is_read_by_number_and_not_by_name(deliver, tmp_path):
    for number in (2, 10, 9):
        deliver(f"span-{number}", number)
    assert numbers(tmp_path) == [10]
    assert numbers(tmp_path, window=2) == [9, 10]
    assert numbers(tmp_path, window=9) == numbers(tmp_path, window=0) == [2, 9, 10]
    assert numbers(tmp_path, newest=9, window=2) == [2, 9]


def test_days_are_spans_too_and_their_numbers_are_tfxs(deliver, tmp_path):
    deliver("2026-03-01", 1)
    deliver("2026-02-28", 2)
    deliver("2026-02-31", 3)  # No day, so no span.
    assert numbers(tmp_path, "{YYYY-MM-DD}", window=0) == [20512, 20513]


def test_only_whole_names_count(deliver, tmp_path):
    for name in ("span-1", "span-1.part", "old-span-2", "span-x", "span-"):
        deliver(name, 1)
    assert numbers(tmp_path, window=0) == [1]


def test_a_placeholder_may_be_anywhere_in_the_address(deliver, tmp_path):
    deliver("day-3-of-us/pictures", 1)
    (found,) = spans.find(f"{tmp_path}/day-{{SPAN}}-of-us/pictures", 0, 1)
    assert found == spans.Span(3, f"{tmp_path}/day-3-of-us/pictures")


def test_spans_become_one_source(deliver, tmp_path):
    deliver("span-1", 1)
    deliver("span-2", 2, ("cat", "emu"))
    listing = list_source(settings(tmp_path, window=2))
    assert listing.spans == (1, 2) and listing.labels == ("cat", "dog", "emu")
    assert sorted(container.uri.removeprefix(f"{tmp_path}/") for container in listing.containers) == [
        "span-1/cat/1.png",
        "span-1/dog/1.png",
        "span-2/cat/2.png",
        "span-2/emu/2.png",
    ]
    assert discover(settings(tmp_path)).classes == ("cat", "emu")


def test_the_fingerprint_sees_new_late_and_rewritten_spans_and_nothing_else(deliver, tmp_path, png):
    def fingerprint(window: int = 1) -> str:
        return discover(settings(tmp_path, window=window)).fingerprint

    deliver("span-2", 2)
    deliver("span-4", 4)
    both = fingerprint(window=2)
    assert fingerprint(window=2) == both
    deliver("span-3", 3)  # Late: it pushes span 2 out of the window.
    late = fingerprint(window=2)
    assert late != both
    (tmp_path / "span-3" / "cat" / "3.png").write_bytes(png(99) + b" ")
    rewritten = fingerprint(window=2)
    assert rewritten != late
    (tmp_path / "span-2" / "cat" / "2.png").write_bytes(png(98) + b" ")
    assert fingerprint(window=2) == rewritten, "span 2 is not in the window"
    deliver("span-5", 5)
    assert fingerprint(window=2) != rewritten
    # The same pictures as another span are another delivery.
    only = fingerprint()
    (tmp_path / "span-5").rename(tmp_path / "span-6")
    assert fingerprint() != only


@pytest.mark.parametrize(
    ("pattern", "told", "sentence"),
    [
        ("span-{SPAN}", {}, r"No span matches .*/span-{SPAN} yet: expected names such as .*/span-1, and .* is empty"),
        ("{YYYY-MM-DD}", {}, r"No span matches .* such as .*/2024-10-04, and"),
        ("nowhere/{SPAN}", {}, r"nowhere/ was not found; data.uri must name a folder that holds the spans"),
        ("{SPAN}/{YYYY-MM-DD}", {}, "must have one of {SPAN} and {YYYY-MM-DD}, once"),
        ("{SPAN}/{SPAN}", {}, "once; received"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(tmp_path, pattern, told, sentence):
    with pytest.raises(DataRefused, match=sentence):
        list_source(settings(tmp_path, pattern, **told))


def test_a_span_that_is_asked_for_has_to_be_there(deliver, tmp_path):
    deliver("span-1", 1)
    deliver("span-3", 3)
    with pytest.raises(DataRefused, match=r"data.span is 2, but .* has 1, 3; set it to one of them, or to 0"):
        list_source(settings(tmp_path, span=2))
    assert list_source(settings(tmp_path, span=1)).spans == (1,)


def test_a_number_that_is_there_twice_is_refused(deliver, tmp_path):
    deliver("span-7", 1)
    deliver("span-07", 2)
    with pytest.raises(DataRefused, match=r"Span 7 is there twice, as .*span-07 and .*span-7; remove one"):
        list_source(settings(tmp_path))


def test_spans_agree_about_splits(deliver, tmp_path):
    deliver("span-1", 1)
    deliver("span-2/train", 2)
    deliver("span-2/val", 3)
    with pytest.raises(DataRefused, match="only 2 have train and eval splits"):
        list_source(settings(tmp_path, window=2))
    assert list_source(settings(tmp_path, window=2, given_splits="ignore")).spans == (1, 2)


def test_manifests_and_records_come_in_spans_too(tmp_path, png):
    for number in (1, 2):
        (tmp_path / f"{number}.png").write_bytes(png(number))
        (tmp_path / f"list-{number}.csv").write_text(f"uri,label\n{number}.png,cat\n{number}.png,dog\n")
    listing = list_source(settings(tmp_path, "list-{SPAN}.csv", window=2))
    assert listing.format == "manifest" and len(listing.containers) == 4
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.tfrecord").write_bytes(b"x")
    assert len(list_source(settings(tmp_path, "{SPAN}/*.tfrecord", window=2)).containers) == 2
