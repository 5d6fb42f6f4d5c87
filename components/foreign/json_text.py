"""JSON with no key twice, no number that is none, and no deeper than anybody nests."""

import json
import math
import os
from typing import Any, Final

from components.foreign.files import Unreadable, read_bytes

# A confusion matrix of a thousand classes has ten, indented.
_MOST_BYTES: Final = 64 * 2**20
# A model in a model in a model has thirty levels; whoever walks through values calls himself at each.
_MOST_LEVELS: Final = 200


def parse(text: bytes | str) -> Any:
    """Reads a text of JSON; NaN and infinities, for which JSON has no word and Python and Keras have, are None.

    Raises:
        Unreadable: It is none; or it gives a key twice, has a number of thousands of digits, or is nested more than 200
            levels deep.
    """
    try:
        value = _DECODER.decode(text if isinstance(text, str) else str(text, "utf-8-sig"))
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise Unreadable(f"is no JSON ({str(error)[:200]})") from None
    _check_depth(value)
    return value


def read(path: str | os.PathLike[str]) -> Any:
    """Reads a local file of JSON.

    Raises:
        Unreadable: As for `parse`; or it is no file, or has more than 64 MiB.
        OSError: It is missing or may not be read.
    """
    return parse(read_bytes(path, _MOST_BYTES))


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Unreadable:
    return Unreadable(f"is JSON that is nested more than {_MOST_LEVELS} levels deep")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice[:100]!r} is given twice")
    return found


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once, parse_float=_number, parse_constant=_number)
