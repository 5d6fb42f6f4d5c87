"""The counts of an ingest, which add up, and what they were made from."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, model_validator

from components.ingest.items import Reject
from schemas import features

REPORT_FILE: Final = "report.json"
REJECTS_FILE: Final = "rejects.jsonl"
NUM_REJECT_EXAMPLES: Final = 20

# Keys of the counts that the Beam pipeline makes.
READ: Final = "read"
WRITTEN: Final = "written"
KEPT: Final = "kept"
DUPLICATE: Final = "duplicate"


class RejectExample(BaseModel):
    """A refused image, for people."""

    model_config = ConfigDict(frozen=True)
    uri: str
    reason: str
    detail: str


class Report(BaseModel):
    """`report.json`; cannot be built from counts that do not add up."""

    model_config = ConfigDict(frozen=True)
    uri: str
    fingerprint: str
    spans: tuple[int, ...]
    """Numbers of the spans that were read, ascending; empty where the address has none."""
    classes: tuple[str, ...]
    num_read: int
    num_kept: int
    num_rejected: int
    by_split: Mapping[str, int]
    by_class: Mapping[str, Mapping[str, int]]
    """split -> class -> number of images; also classes that are not in the class list."""
    rejected_by_reason: Mapping[str, int]
    num_duplicates: int
    eval_fraction: float | None
    """Share of pictures drawn by their content for validation; None where the data gave the splits."""
    reject_examples: tuple[RejectExample, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.num_read != self.num_kept + self.num_rejected:
            raise ValueError(f"{self.num_read} images read, but {self.num_kept} kept and {self.num_rejected} rejected")
        if self.num_kept != sum(self.by_split.values()) or self.num_rejected != sum(self.rejected_by_reason.values()):
            raise ValueError("the counts by split or reason do not add up to those kept and rejected")
        return self


def build_report(
    uri: str,
    fingerprint: str,
    spans: Sequence[int],
    classes: Sequence[str],
    counts: Mapping[tuple[str, str, str], int],
    rejects: Sequence[Reject],
    eval_fraction: float | None,
) -> Report:
    """Puts the counts of an ingest together.

    Args:
        uri: The data's address.
        fingerprint: The listing's.
        spans: The listing's.
        classes: The class list.
        counts: (READ | KEPT | WRITTEN | DUPLICATE, split or "", label or "") -> number.
        rejects: Every refused image, sorted.
        eval_fraction: Share drawn for validation; None where the data gave the splits.

    Raises:
        ValueError: The counts do not add up: what was read is not what was kept or rejected, or what was kept is not
            what was written.
    """
    by_class: dict[str, dict[str, int]] = defaultdict(dict)
    by_split = dict.fromkeys(features.SPLITS, 0)
    for (what, split, label), number in sorted(counts.items()):
        if what == KEPT:
            by_class[split][label] = number
            by_split[split] += number
    num_kept = sum(by_split.values())
    if num_kept != (written := _total(counts, WRITTEN)):
        raise ValueError(f"{num_kept} images kept, but {written} written")
    return Report(
        uri=uri,
        fingerprint=fingerprint,
        spans=tuple(spans),
        classes=tuple(classes),
        num_read=_total(counts, READ),
        num_kept=num_kept,
        num_rejected=len(rejects),
        by_split=by_split,
        by_class={split: by_class[split] for split in features.SPLITS},
        rejected_by_reason=dict(sorted(Counter(one.reason for one in rejects).items())),
        num_duplicates=_total(counts, DUPLICATE),
        eval_fraction=eval_fraction,
        reject_examples=tuple(_example(one) for one in rejects[:NUM_REJECT_EXAMPLES]),
    )


def _total(counts: Mapping[tuple[str, str, str], int], what: str) -> int:
    return sum(number for key, number in counts.items() if key[0] == what)


def _example(one: Reject) -> RejectExample:
    return RejectExample(uri=one.uri, reason=one.reason, detail=one.detail)


def sorted_rejects(rejects: Iterable[Reject]) -> list[Reject]:
    """Orders rejects as they are written: by address, then reason."""
    return sorted(rejects, key=lambda one: (one.uri, one.reason, one.detail))
