"""Which version may serve: pure rules over what a registry says of its versions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from components.errors import DataRefused
from components.foreign import json_text
from components.registry.protocol import (
    ACCURACY,
    APPROVED,
    AUDIT,
    BASELINE,
    CODES,
    DECISION,
    PREDECESSOR,
    SERVES,
    SINCE,
    WITHDRAWN,
    RegisteredVersion,
)

NONE: Final = "none"


def objection(
    fingerprint: str, weights: str, judged_against: str | None, versions: Sequence[RegisteredVersion]
) -> str | None:
    """Says what stands against serving a model that passed the gate.

    Args:
        fingerprint: The model's.
        weights: Fingerprint of its weights; empty for a model without any.
        judged_against: The version that the gate compared it with, None for none.
        versions: The registry's.

    Returns:
        A sentence, or None: the champion is still the one it was compared with, or is this model, and nobody took
        this model back.
    """
    same = [one for one in versions if fingerprint == one.fingerprint or (weights and weights == one.weights)]
    withdrawn = next((one for one in same if one.tags.get(WITHDRAWN)), None)
    champion = champion_of(versions)
    if champion in same and champion != withdrawn:
        return None
    if withdrawn:
        return (
            f"this model was served as version {withdrawn.version} and taken back by {withdrawn.tags[WITHDRAWN]}; "
            f"`frostgate registry promote {withdrawn.version}` serves it again."
        )
    found = champion.version if champion else None
    if found == judged_against:
        return None
    return (
        f"the champion was {judged_against or NONE} when the model was judged and is {found or NONE} now; "
        "run again to be compared with it."
    )


def judged_against(tags: Mapping[str, str]) -> str | None:
    """Returns the version that the gate compared a model with, None for none."""
    token = tags.get(BASELINE, NONE)
    return None if token == NONE else token


def champion_of(versions: Sequence[RegisteredVersion]) -> RegisteredVersion | None:
    """Returns the version under the alias, or None."""
    return next((one for one in versions if one.is_champion), None)


def may_serve(version: RegisteredVersion) -> None:
    """Lets through what the gate passed or a person answered for.

    Raises:
        DataRefused: Neither is the case, or the serving check found that it does not serve.
    """
    _must_serve(version)
    decision = version.tags.get(DECISION)
    if decision == "PASS" or version.tags.get(APPROVED):
        return
    if decision is None:
        raise DataRefused(
            f"Version {version.version} was registered by hand and never judged; a champion must have passed the gate. "
            "Move the alias with the registry's own tools if it has to be this one."
        )
    codes = version.tags.get(CODES, "")
    override = "" if decision == "HOLD" else "".join(f" --override-code {code}" for code in codes.split(","))
    raise DataRefused(
        f"The gate judged version {version.version} {decision} ({codes}); somebody has to answer for it first: "
        f"frostgate approve {version.version} --by NAME --reason TEXT{override}"
    )


def before(champion: RegisteredVersion | None, versions: Sequence[RegisteredVersion]) -> RegisteredVersion:
    """Finds the champion before this one that nobody took back.

    Raises:
        DataRefused: There is none.
    """
    if champion is None:
        raise DataRefused("There is no champion to roll back. `frostgate registry list` shows what there is.")
    if found := next(_line_of(champion, versions), None):
        return found
    raise DataRefused(
        f"Version {champion.version} is the champion, and no version before it is left to go back to. "
        "`frostgate registry promote VERSION` makes another one the champion."
    )


def better_ancestors(
    champion: RegisteredVersion, versions: Sequence[RegisteredVersion]
) -> tuple[RegisteredVersion, ...]:
    """Returns the champions before this one, the best first, that got more of their own validation images right.

    Those that a person took back do not count, nor those that the registry no longer has.
    """
    better = [one for one in _line_of(champion, versions) if _accuracy_of(one) > _accuracy_of(champion)]
    return tuple(sorted(better, key=_accuracy_of, reverse=True))


def _line_of(champion: RegisteredVersion, versions: Sequence[RegisteredVersion]) -> Iterator[RegisteredVersion]:
    """Yields the champions before this one, the last one first, without those that a person took back."""
    known = {one.version: one for one in versions}
    seen, number = {champion.version}, champion.tags.get(PREDECESSOR, "")
    while number in known and number not in seen:
        seen.add(number)
        if not known[number].tags.get(WITHDRAWN):
            yield known[number]
        number = known[number].tags.get(PREDECESSOR, "")


def _accuracy_of(version: RegisteredVersion) -> float:
    """Validation accuracy as it was judged, in [0, 1]; of a version that was never judged, -1."""
    try:
        return float(version.tags.get(ACCURACY, "").partition(" ")[0])
    except ValueError:
        return -1.0


def unapproved(version: RegisteredVersion, overridden: Sequence[str]) -> None:
    """Lets through an approval that names every code that blocked the model.

    Args:
        version: What somebody wants to answer for.
        overridden: The codes that they named.

    Raises:
        DataRefused: The model needs no approval or does not serve, or a code is missing or too many.
    """
    _must_serve(version)
    decision, codes = version.tags.get(DECISION), [code for code in version.tags.get(CODES, "").split(",") if code]
    if decision not in ("HOLD", "BLOCK"):
        raise DataRefused(
            f"Version {version.version} was judged {decision or 'by nobody'}; only a held or blocked one is approved. "
            f"`frostgate registry promote {version.version}` makes it the champion."
        )
    wanted = [code for code in codes if code != "HOLD"]
    if sorted(set(overridden)) != sorted(wanted):
        given = " ".join(f"--override-code {code}" for code in wanted) or "no --override-code"
        raise DataRefused(
            f"Version {version.version} was judged {decision} ({', '.join(codes)}); an approval has to name exactly "
            f"the codes that blocked it: {given}; received {', '.join(overridden) or 'none'}."
        )


def _must_serve(version: RegisteredVersion) -> None:
    # What somebody registered by hand was never tried, and is refused for that.
    if version.tags.get(SERVES) == "no":
        raise DataRefused(
            f"Version {version.version} failed the serving check, and nobody's word makes it answer. The run's card "
            "says what it got wrong; train it again."
        )


def promotion(predecessor: RegisteredVersion | None, now: datetime) -> dict[str, str]:
    """Tags of a version that is about to become the champion."""
    return {
        PREDECESSOR: predecessor.version if predecessor else "",
        SINCE: now.isoformat(timespec="seconds"),
        WITHDRAWN: "",
    }


def audit(action: str, by: str, reason: str, now: datetime, **facts: str) -> dict[str, str]:
    """The tag that remembers what a person did, for good."""
    entry = {"action": action, "by": by, "reason": reason, "at": now.isoformat(timespec="seconds"), **facts}
    return {f"{AUDIT}{now:%Y%m%dT%H%M%S%f}": json.dumps(entry)}


def is_brought_back(tags: Mapping[str, str]) -> bool:
    """Whether the last thing that a person did to a version was to bring it back in place of a later champion."""
    return [entry["action"] for entry in audited(tags)][-1:] == ["rollback"]


def audited(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """What people did to a version, oldest first."""
    return [json_text.parse(value) for key, value in sorted(tags.items()) if key.startswith(AUDIT)]
