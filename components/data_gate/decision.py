"""Whether data may be trained on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from components.ingest.report import Report
from schemas import features


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision and every reason against."""

    passed: bool
    reasons: tuple[str, ...]
    checked_splits: tuple[str, ...]


def decide(
    anomalies: Mapping[str, Sequence[str]],
    report: Report,
    max_reject_fraction: float,
) -> Decision:
    """Decides whether these splits may be trained on.

    Args:
        anomalies: Split -> findings; an empty sequence is clean.
        report: The ingest's counts.
        max_reject_fraction: Largest accepted share of rejected images, in [0, 1].
    """
    # A split nobody validated is not a clean split.
    reasons = [f"{split}: not validated" for split in sorted(set(features.SPLITS) - set(anomalies))]
    # There may be no images that say when to stop, and statistics of none are an anomaly.
    examined = {split: texts for split, texts in anomalies.items() if split != features.STOP or report.by_split[split]}
    reasons += [f"{split}: {text}" for split, texts in sorted(examined.items()) for text in texts]
    reasons += [*_reject_reasons(report, max_reject_fraction), *_class_reasons(report)]
    return Decision(passed=not reasons, reasons=tuple(reasons), checked_splits=tuple(sorted(anomalies)))


def _reject_reasons(report: Report, max_reject_fraction: float) -> Iterator[str]:
    if not report.num_read:
        yield "no image was read"
    elif report.num_rejected > max_reject_fraction * report.num_read:
        kinds = ", ".join(f"{number} {reason}" for reason, number in report.rejected_by_reason.items())
        first = report.reject_examples[0] if report.reject_examples else None
        yield (
            f"{report.num_rejected} of {report.num_read} images were rejected ({kinds}), more than "
            f"data.max_reject_fraction = {max_reject_fraction:g}"
            + (f"; the first is {first.uri}: {first.detail}" if first else "")
        )
    # An image that lost its label says that the labelling is broken, whatever share it is.
    if missing := report.rejected_by_reason.get("missing_label"):
        yield f"label: {missing} images have none"


def _class_reasons(report: Report) -> Iterator[str]:
    for split in sorted(features.SPLITS):
        found = report.by_class.get(split, {})
        # The few images that say when to stop need not be of every class.
        if split in features.JUDGED:
            yield from (f"{split}: class {name!r} has no image" for name in report.classes if not found.get(name))
        yield from (f"{split}: label {name!r} is not a class" for name in found if name not in report.classes)
