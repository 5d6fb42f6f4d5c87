"""Where a configuration is told: a YAML file, the environment, the command line."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml
from pydantic import BaseModel

from components.foreign import files, yaml_text
from pipeline.config_errors import ConfigRefused, field_at

PREFIX: Final = "FROSTGATE__"
_SEPARATOR: Final = "__"
# A text of another form, of which no part is a key, may be a password.
_KEY: Final = re.compile(r"[\w.\s-]{,100}")
# A configuration has a few thousand; PyYAML takes ten seconds for one of these.
_MOST_BYTES: Final = 2**20
# As YAML 1.1 has them, without those of base 60.
_NUMBERS: Final = {
    "int": r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)",
    "float": r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}
_MOST_BITS: Final = 64
_UNREADABLE_YAML: Final = "Mind the indentation, and quote texts that hold `: ` or `#`."


@dataclasses.dataclass(frozen=True)
class Told:
    """Values as nested mappings, and who said so."""

    values: Mapping[str, Any]
    origin: str


@dataclasses.dataclass(frozen=True)
class Merged:
    """All values together; `origins` maps a dotted key to whoever said it last."""

    values: dict[str, Any]
    origins: dict[str, str]


class _Loader(yaml_text.Loader):
    """YAML with the booleans `true` and `false` only, no dates, and no numbers of base 60."""

    # YAML 1.1 reads `on`, `off`, `yes` and `no` as booleans, and `1:30` as 90; here they are values and class names.
    yaml_implicit_resolvers = {  # noqa: RUF012 - the attribute that PyYAML reads
        first: [
            (tag, regexp) for tag, regexp in resolvers if tag.rpartition(":")[2] not in ("bool", "timestamp", *_NUMBERS)
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind in _NUMBERS and ":" in node.value:
            raise yaml.constructor.ConstructorError(None, None, f"found a !!{kind} that is none", node.start_mark)
        value = super().construct_object(node, deep)
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            problem = f"a number has more than {_MOST_BITS} bits"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return value


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|True|false|False)$"), list("tTfF"))
for _name, _form in _NUMBERS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_form})$"), list("-+.0123456789"))


def from_file(path: str) -> Told:
    """Reads a YAML file; an empty one says nothing.

    Raises:
        ConfigRefused: The file cannot be read, is not YAML, gives a key twice, or is not a mapping.
    """
    try:
        with open(path, "rb") as file:  # Which may be a pipe: `--config <(...)`.
            text = files.read_all(file, _MOST_BYTES).decode()
        values = yaml_text.parse(text, _Loader)
    except FileNotFoundError:
        raise ConfigRefused([f"{path}: there is no such configuration file; check the path after --config."]) from None
    except OSError as error:
        raise ConfigRefused([f"{path}: cannot be read ({error.strerror}); check the path after --config."]) from None
    except files.Unreadable as error:
        raise ConfigRefused([f"{path}: expected a configuration; it {error}. Check the path after --config."]) from None
    except UnicodeDecodeError:
        raise ConfigRefused([f"{path}: expected YAML in UTF-8; received other bytes. Save it as UTF-8."]) from None
    except yaml.YAMLError as error:
        raise ConfigRefused([f"{path}{_yaml_complaint(error)}"]) from None
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigRefused([f"{path}: expected keys and values, such as `name: digits`; received {_kind(values)}."])
    return Told(values, path)


def from_environment(environ: Mapping[str, str], model: type[BaseModel]) -> list[Told]:
    """Reads variables such as `FROSTGATE__DATA__URI`; a double underscore goes one section deeper."""
    names = sorted(name for name in environ if name.upper().startswith(PREFIX))
    return [
        _told(name[len(PREFIX) :].lower().split(_SEPARATOR), environ[name], f"environment variable {name}", model)
        for name in names
    ]


def from_overrides(overrides: Sequence[str], model: type[BaseModel]) -> list[Told]:
    """Reads `dotted.key=value` texts.

    Raises:
        ConfigRefused: There is no `=`, part of the key is missing, or the value is not YAML.
    """
    told = []
    for text in overrides:
        key, equals, value = text.partition("=")
        # Of the value nothing: what is wrong with it says how much of it may be said.
        origin = f"--set {key}".strip() if _KEY.fullmatch(key) else "--set"
        if not equals or not all(key.strip().split(".")):
            raise ConfigRefused([f"{origin}: expected key=value, such as --set trainer.seed=7."])
        told.append(_told(key.strip().split("."), value, origin, model))
    return told


def merge(told: Sequence[Told]) -> Merged:
    """Lays later values over earlier ones, key by key."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for one in told:
        try:
            _lay_over(values, one.values)
            origins |= dict.fromkeys(_dotted_keys(one.values), one.origin)
        except RecursionError:
            raise ConfigRefused([f"{one.origin}: a value refers to itself; write it out."]) from None
    return Merged(values, origins)


def nested(keys: Sequence[str], value: Any, origin: str) -> Told:
    """Says one value, however deep its key lies."""
    for key in reversed(keys):
        value = {key: value}
    return Told(value, origin)


def _told(keys: Sequence[str], text: str, origin: str, model: type[BaseModel]) -> Told:
    return nested(keys, _scalar(text, field_at(model, keys), origin), origin)


def _scalar(text: str, field: Any, origin: str) -> Any:
    # A text stays as it was typed: a name of digits is not a number.
    if field is not None and field.annotation is str:
        return text
    try:
        return yaml_text.parse(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigRefused([f"{origin}{_yaml_complaint(error)}"]) from None


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), dict):
            _lay_over(below[key], value)
        else:
            below[key] = _copied(value)


def _copied(value: Any) -> Any:
    return {key: _copied(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def _dotted_keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _dotted_keys(value, f"{prefix}{key}.")


def _yaml_complaint(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = (getattr(error, "problem", None) or "it holds a character that YAML does not allow").removeprefix("but ")
    where = f", line {mark.line + 1}" if mark else ""
    advice = "Keep one of them." if problem.endswith("is given twice") else _UNREADABLE_YAML
    return f"{where}: expected YAML, but {problem}. {advice}"


def _kind(value: Any) -> str:
    # Which may be a password's file.
    return "a list" if isinstance(value, list) else "only a text"
