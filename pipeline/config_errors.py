"""What is wrong with a configuration, a sentence a fault: the key, what was expected, what came, what to do."""

import difflib
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from components.errors import DataRefused

_TYPE_NAMES: Final = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_LIST_KEYS: Final = "`frostgate config show` lists every key."


class ConfigRefused(DataRefused):
    """The configuration cannot be used.

    Attributes:
        problems: One sentence a fault.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def sentences(error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]) -> list[str]:
    """Words a validation's faults for whoever wrote the configuration, one sentence a key."""
    lines: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        if fault["type"] == "value_error":  # Our own rules word themselves, a section's as well as the whole's.
            lines |= {line: line for line in str(fault["ctx"]["error"]).splitlines()}
            continue
        # Pydantic goes on into the members of a union; the key ends where the model does.
        keys = _key_of(fault["loc"], model)
        key = ".".join(keys)
        lines.setdefault(key, _with_origin(keys, origins, _sentence(key, keys, fault, model)))
    return list(lines.values())


def booleans_for_numbers(values: Mapping[str, Any], model: type[BaseModel], origins: Mapping[str, str]) -> list[str]:
    """Finds `true` and `false` where a number is asked for; Pydantic would read them as 1 and 0."""
    lines = []
    for keys, value in _leaves(values):
        field = field_at(model, keys)
        if isinstance(value, bool) and field is not None and _takes_numbers(field.annotation):
            lines.append(
                _with_origin(keys, origins, _sentence(".".join(keys), keys, {"loc": keys, "input": value}, model))
            )
    return lines


def field_at(model: type[BaseModel], keys: Sequence[str]) -> FieldInfo | None:
    """Returns the field that a key names, or None."""
    field: FieldInfo | None = None
    section: Any = model
    for key in keys:
        if not is_section(section) or key not in section.model_fields:
            return None
        field = section.model_fields[key]
        section = field.annotation
    return field


def all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yields the dotted name of every value a configuration has, sections too."""
    for key, field in model.model_fields.items():
        yield prefix + key
        if is_section(field.annotation):
            yield from all_keys(typing.cast(type[BaseModel], field.annotation), f"{prefix}{key}.")


def _sentence(key: str, keys: Sequence[str], fault: Mapping[str, Any], model: type[BaseModel]) -> str:
    field = field_at(model, keys)
    if field is None and field_at(model, key.split(".")) is not None:
        return f"{key} must be nested; received a key with a dot in it. Write {_nested(key.split('.'))}."
    if field is None:
        return f"{key or 'an empty name'} is not a key; {_nearest(key, model)}{_LIST_KEYS}"
    received = fault["input"]
    if _in_list(fault["loc"], keys) and typing.get_args(field.annotation)[0] is str:
        return f"{key} must be a list of texts; received {_shown(received)} in it. {_in_quotes(received)}"
    if typing.get_origin(field.annotation) in (tuple, dict) and len(fault["loc"]) > len(keys):
        return _inner_sentence(field, field.annotation, key, fault["loc"][len(keys) :], fault)
    return f"{key} must be {_expected(field)}; received {_shown(received)}. {_advice(field, received)}"


def _inner_sentence(
    field: FieldInfo, annotation: Any, name: str, rest: Sequence[int | str], fault: Mapping[str, Any]
) -> str:
    """Words a fault inside a list or a mapping; the rest of its location leads there."""
    received = fault["input"]
    if not rest:
        expected = _expected(field) if annotation is field.annotation else _type_name(annotation)
        is_text = annotation is str and isinstance(received, bool | int | float)
        advice = _in_quotes(received) if is_text else f"Its meaning: {' '.join((field.description or '').split())}"
        return f"{name} must be {expected}; received {_shown(received)}. {advice}"
    part, *more = rest
    if typing.get_origin(annotation) is tuple:
        return _inner_sentence(field, typing.get_args(annotation)[0], f"{name}[{part}]", more, fault)
    if not is_section(annotation):
        return _inner_sentence(field, typing.get_args(annotation)[1], f"{name}.{part}", more, fault)
    known = annotation.model_fields
    if part not in known:
        near = difflib.get_close_matches(str(part), known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
        return f"{name}.{part} is not a key; {hint}"
    if fault["type"] == "missing":
        return f"{name}.{part} is missing; it must be {_expected(known[part])}: {known[part].description}"
    return _inner_sentence(known[part], known[part].annotation, f"{name}.{part}", more, fault)


def _nearest(key: str, model: type[BaseModel]) -> str:
    section, _, last = key.rpartition(".")
    known = [(one.rpartition(".")[0], one.rpartition(".")[2]) for one in all_keys(model)]
    siblings = [name for above, name in known if above == section]
    near = [f"{section}.{name}" if section else name for name in difflib.get_close_matches(last, siblings, 1)]
    near = near or [f"{above}.{name}" for above, name in known if name == last]
    near = near or difflib.get_close_matches(key, [f"{above}.{name}" for above, name in known if above], 1, 0.8)
    if near:
        return f"did you mean {' or '.join(near)}? "
    return f"{section} has {', '.join(siblings)}. " if section and siblings else ""


def _expected(field: FieldInfo) -> str:
    if field.examples:
        return f"a text like {' or '.join(map(str, field.examples))}"
    return _type_name(field.annotation) + _bounds(field)


def _type_name(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(one) for one in arguments if one is not type(None))
    if origin is tuple:
        return "a list of texts" if arguments[0] is str else "a list"
    if origin is dict:
        return "a section of names and values"
    if is_section(annotation):
        return f"a section with the keys {', '.join(annotation.model_fields)}"
    return _TYPE_NAMES.get(annotation, "another kind of value")


def _bounds(field: FieldInfo) -> str:
    limits = _limits(field)
    low, high = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    if low is not None and high is not None:
        return f" in {'[' if 'ge' in limits else '('}{low}, {high}{']' if 'le' in limits else ')'}"
    if low is not None:
        return f" of at least {low}" if "ge" in limits else f" above {low}"
    if high is not None:
        return f" of at most {high}" if "le" in limits else f" below {high}"
    return " that is not empty" if any(hasattr(one, "min_length") for one in field.metadata) else ""


def _limits(field: FieldInfo) -> dict[str, float]:
    return {
        name: getattr(one, name) for one in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(one, name)
    }


def _advice(field: FieldInfo, received: Any) -> str:
    is_share = field.annotation is float and 1 in (_limits(field).get("le"), _limits(field).get("lt"))
    if is_share and isinstance(received, int | float) and 1 < received <= 100:
        return f"Write {received:g} % as {received / 100:g}."
    if isinstance(received, bool | int | float) and field.annotation is str:
        return _in_quotes(received)
    if isinstance(received, str | int | float) and typing.get_origin(field.annotation) is tuple:
        return f"Write it in brackets: [{received}]."
    return f"Its meaning: {' '.join((field.description or '').split())}"


def _in_quotes(value: Any) -> str:
    # As JSON, which is how YAML's writer had it: true, not True.
    return f'Put it in quotes: "{json.dumps(value, ensure_ascii=False, default=str)}".'


def _nested(keys: Sequence[str]) -> str:
    return ": {".join(keys) + ": ..." + "}" * (len(keys) - 1)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a section with {', '.join(map(str, value)) or 'no keys'}"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)[:80]


def _key_of(location: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    keys: list[str] = []
    for part in location:
        above = field_at(model, keys)
        if keys and above is not None and not is_section(above.annotation):
            break
        keys.append(str(part))
    return keys


def _in_list(location: Sequence[int | str], keys: Sequence[str]) -> bool:
    return len(location) > len(keys) and isinstance(location[len(keys)], int)


def _with_origin(keys: Sequence[str], origins: Mapping[str, str], sentence: str) -> str:
    candidates = (".".join(keys[:length]) for length in range(len(keys), 0, -1))
    origin = next((origins[one] for one in candidates if one in origins), None)
    return f"{origin}: {sentence}" if origin else sentence


def _leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, str(key)))
        else:
            yield (*above, str(key)), value


def _takes_numbers(annotation: Any) -> bool:
    return bool({annotation, *typing.get_args(annotation)} & {int, float})


def is_section(annotation: Any) -> bool:
    """Whether a field of this type has keys of its own."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
