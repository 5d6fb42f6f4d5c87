"""Whether requests moved away from what was learnt: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from components.drift.settings import DriftSettings
from schemas import features

Status = Literal["quiet", "drift", "undecided"]
# What a log without pictures does not have.
_OPTIONAL: Final = frozenset({features.EMBEDDING_DISTANCE})

_NUM_DESCRIBED: Final = 3


@dataclass(frozen=True)
class Comparison:
    """One feature, requests against reference.

    Attributes:
        feature: Its key.
        distance: TFDV's; None where it could not be compared.
        threshold: Largest accepted distance.
        measure: Of the distance, in words.
        p_value: Of the two-sample test; None where there was nothing to test.
        reference: What is typical of the reference, in words.
        serving: Of the requests.
    """

    feature: str
    distance: float | None
    threshold: float
    measure: str
    p_value: float | None
    reference: str
    serving: str


@dataclass(frozen=True)
class Decision:
    """What a look at the log came to.

    Attributes:
        status: Whether there is an alert.
        drifted: The features that moved, the farthest first.
        sentence: For people.
    """

    status: Status
    drifted: tuple[str, ...]
    sentence: str


def decide(comparisons: Sequence[Comparison], num_requests: int, settings: DriftSettings, window: str) -> Decision:
    """Decides whether there is an alert.

    A feature moved if it is far (TFDV's distance above its threshold) and that is no accident (the two-sample test, its
    level divided by the number of features): few requests are far from anything by chance, and of many the smallest
    difference is no accident.

    Args:
        comparisons: Every feature's.
        num_requests: How many there were.
        settings: The limits.
        window: Where they were looked for, in words.
    """
    if num_requests < settings.min_requests:
        sentence = (
            f"Too few requests to tell: {num_requests} in {window}, drift.min_requests = {settings.min_requests}."
        )
        return Decision("undecided", (), sentence)
    level = settings.significance / max(len(comparisons), 1)
    moved = sorted((one for one in comparisons if _moved(one, level)), key=_excess, reverse=True)
    # No value is no evidence that nothing moved.
    unknown = [one.feature for one in comparisons if one.distance is None]
    missing = [feature for feature in unknown if feature not in _OPTIONAL]
    if missing and not moved:
        sentence = f"Nothing can be said of {', '.join(missing)}: requests or reference have no value of it."
        return Decision("undecided", (), sentence)
    if not moved:
        but = f"; {', '.join(unknown)} was not compared (it needs serving_log.pictures)" if unknown else ""
        return Decision("quiet", (), f"{num_requests} requests look like what the model learnt from{but}.")
    said = "; ".join(
        f"{one.feature} (requests {one.serving}, reference {one.reference}; "
        f"{one.measure} {one.distance:.2f} > {one.threshold:g})"
        for one in moved[:_NUM_DESCRIBED]
    )
    if further := [one.feature for one in moved[_NUM_DESCRIBED:]]:
        said += f"; and {', '.join(further)}"
    return Decision("drift", tuple(one.feature for one in moved), f"Requests moved away from what was learnt: {said}.")


def _moved(one: Comparison, level: float) -> bool:
    return one.distance is not None and one.p_value is not None and one.distance > one.threshold and one.p_value < level


def _excess(one: Comparison) -> float:
    return (one.distance or 0.0) / one.threshold if one.threshold else float("inf")
