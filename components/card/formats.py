"""Values as a reader sees them: what is missing or not finite is said, never blank."""

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

MISSING = "not available"
NOT_FINITE = "not finite"
_PNG_PREFIX = "data:image/png;base64,"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def finite(value: Any) -> float | None:
    """Returns the value as a float, or None where it is no finite number (bool counts as none)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def number(value: Any) -> str:
    """Writes a number with four significant digits; whole numbers keep all of theirs."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return NOT_FINITE
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"


def percent(value: Any) -> str:
    """Writes a share in [0, 1] as a percentage with one decimal."""
    share = finite(value)
    return number(value) if share is None else f"{share * 100:.1f} %"


def seconds(value: Any) -> str:
    """Writes a duration in the unit a person would use."""
    duration = finite(value)
    if duration is None:
        return number(value)
    if duration < 60:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def milliseconds(value: Any) -> str:
    """Writes a latency that is already in milliseconds."""
    latency = finite(value)
    return number(value) if latency is None else f"{latency:.1f} ms"


def interval(value: Mapping[str, Any] | None, write: Any = number) -> str:
    """Writes `low to high`, each by `write`."""
    if not value:
        return MISSING
    return f"{write(value.get('low'))} to {write(value.get('high'))}"


def level(value: Mapping[str, Any] | None) -> str:
    """Names an interval's level and method, such as `95 % Wilson`; empty without an interval."""
    if not value:
        return ""
    share = finite(value.get("level"))
    return " ".join(part for part in ("" if share is None else f"{share * 100:g} %", value.get("method") or "") if part)


def png_uri(value: Any) -> str | None:
    """Returns an embedded PNG as it came, or None: nothing else may become an image's source."""
    if not isinstance(value, str) or not value.startswith(_PNG_PREFIX):
        return None
    try:
        content = base64.b64decode(value.removeprefix(_PNG_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if content.startswith(_PNG_SIGNATURE) else None


def plain(text: Any, limit: int = 24) -> str:
    """Shortens a label of the data for a plot; what XML cannot hold becomes a replacement character."""
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def cell(value: Any) -> str:
    """Writes one value of a table whose columns are not known beforehand."""
    if isinstance(value, Mapping):
        if "low" in value and "high" in value:
            return interval(value)
        if "correct" in value and "total" in value:
            return f"{percent(value.get('value'))} ({number(value['correct'])} of {number(value['total'])})"
        return ", ".join(f"{key} {cell(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    return number(value)
