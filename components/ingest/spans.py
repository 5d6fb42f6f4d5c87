"""Data that arrive in spans: numbered folders or days, of which a run reads the newest."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from components.errors import DataRefused
from components.ingest import storage
from components.ingest.items import Listing
from components.ingest.settings import DAY, NUMBER, DataSettings

_PLACEHOLDERS: Final = {NUMBER: r"(\d+)", DAY: r"(\d{4}-\d{2}-\d{2})"}
# A day's span number counts from here, as TFX does it.
_FIRST_DAY: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Span:
    """One delivery."""

    number: int
    """As it is named; for a day, the days since 1970-01-01."""
    uri: str
    """The settings' address with the number or the day in the placeholder's place."""


def has_spans(uri: str) -> bool:
    """Whether an address stands for many."""
    return any(one in uri for one in _PLACEHOLDERS)


def find(uri: str, newest: int, window: int) -> tuple[Span, ...]:
    """Finds the spans that a run reads.

    Args:
        uri: An address with one `{SPAN}` or `{YYYY-MM-DD}`.
        newest: The newest span to read; 0: the newest there is.
        window: How many spans, the newest included; 0: all.

    Returns:
        Oldest first.

    Raises:
        DataRefused: The address has several placeholders, the folder above does not exist or has no span, or
            `newest` is not there.
    """
    placeholder = _placeholder(uri)
    head, _, tail = uri.partition(placeholder)
    folder, slash, prefix = head.rpartition("/")
    suffix, rest_slash, rest = tail.partition("/")
    name = re.compile(f"{re.escape(prefix)}{_PLACEHOLDERS[placeholder]}{re.escape(suffix)}")
    found, entries = [], _names(folder + slash)
    for entry in entries:
        match = name.fullmatch(entry)
        number = _number(placeholder, match[1]) if match else None
        if number is not None:
            found.append(Span(number, f"{folder}{slash}{entry}{rest_slash}{rest}"))
    found.sort(key=lambda span: (span.number, span.uri))
    if not found:
        held = f"holds {', '.join(sorted(entries)[:3])}" if entries else "is empty"
        raise DataRefused(
            f"No span matches {uri} yet: expected names such as {_example(uri)}, and {folder + slash or '.'} {held}."
        )
    _refuse(uri, found, newest)
    wanted = [span for span in found if not newest or span.number <= newest]
    return tuple(wanted[-window:])


def list_spans(settings: DataSettings, list_one: Callable[[DataSettings], Listing]) -> Listing:
    """Lists the spans that a run reads as one source.

    Args:
        settings: Whose `uri` has a placeholder.
        list_one: Lists one span.

    Raises:
        DataRefused: As `find` and `list_one`; or some spans have splits of their own and others have none.
    """
    spans = find(settings.uri, settings.span, settings.window)
    listings = [list_one(settings.model_copy(update={"uri": span.uri})) for span in spans]
    if settings.given_splits != "ignore" and len({one.has_splits for one in listings}) > 1:
        split = [span.number for span, one in zip(spans, listings, strict=True) if one.has_splits]
        raise DataRefused(
            f"Of the spans in {settings.uri} only {', '.join(map(str, split))} have train and eval splits; "
            "give all of them splits, or none, or set data.given_splits to ignore."
        )
    known = [one.labels for one in listings if one.labels is not None]
    fingerprints = [(str(span.number), one.fingerprint) for span, one in zip(spans, listings, strict=True)]
    return Listing(
        format=listings[0].format,
        containers=tuple(container for one in listings for container in one.containers),
        fingerprint=storage.fingerprint([], *("\0".join(pair).encode() for pair in fingerprints)),
        has_splits=listings[0].has_splits,
        labels=tuple(sorted({label for labels in known for label in labels})) if len(known) == len(listings) else None,
        rejects=tuple(reject for listing in listings for reject in listing.rejects),
        spans=tuple(span.number for span in spans),
    )


def _placeholder(uri: str) -> str:
    found = [one for one in _PLACEHOLDERS if one in uri]
    if len(found) > 1 or uri.count(found[0]) > 1:
        raise DataRefused(f"data.uri must have one of {NUMBER} and {DAY}, once; received {uri}.")
    return found[0]


def _names(folder: str) -> list[str]:
    files, path = storage.filesystem(folder or ".")
    try:
        files.invalidate_cache()
        entries = files.ls(path.rstrip("/") or path, detail=False)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataRefused(f"{folder} was not found; data.uri must name a folder that holds the spans.") from error
    return [entry.rstrip("/").rpartition("/")[2] for entry in entries]


def _number(placeholder: str, text: str) -> int | None:
    if placeholder == NUMBER:
        return int(text)
    try:
        return (date.fromisoformat(text) - _FIRST_DAY).days
    except ValueError:
        return None  # 2026-02-31 is no day.


def _refuse(uri: str, found: list[Span], newest: int) -> None:
    numbers = [span.number for span in found]
    if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
        both = " and ".join(span.uri for span in found if span.number == twice[0])
        raise DataRefused(f"Span {twice[0]} is there twice, as {both}; remove one.")
    if newest and newest not in numbers:
        raise DataRefused(
            f"data.span is {newest}, but {uri} has {', '.join(map(str, numbers))}; set it to one of them, or to 0 for "
            "the newest."
        )


def _example(uri: str) -> str:
    return uri.replace(NUMBER, "1").replace(DAY, str(_FIRST_DAY + timedelta(days=20_000)))
