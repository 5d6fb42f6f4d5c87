"""A compiled file on its way to a cluster: what it is called, and what a run of it may be told."""

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from components.errors import DataRefused, has_credentials
from components.foreign import files, yaml_text

_EXPECTED: Final = {
    "STRING": "a text",
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
}
_HASH_LENGTH: Final = 12
_MOST_BYTES: Final = 4 * 2**20
_CRON_FIELDS: Final = "second minute hour day-of-month month day-of-week"
_CRON_RANGES: Final = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


@dataclass(frozen=True)
class Package:
    """What `frostgate compile` wrote."""

    path: Path
    pipeline: str
    version: str
    """Named by the file's content: the same file is the same version."""
    definitions: Mapping[str, Mapping[str, Any]]
    """Run parameter -> its type and default."""
    steps: tuple[str, ...]
    """Names of its steps and of its graphs."""

    def parameters(self, given: Sequence[str]) -> dict[str, Any]:
        """Reads `name=value` texts.

        Raises:
            DataRefused: A parameter is unknown, or its value is not of its type.
        """
        return dict(self._parameter(text) for text in given)

    def _parameter(self, text: str) -> tuple[str, Any]:
        name, equals, value = text.partition("=")
        if has_credentials(name):
            raise DataRefused("--param must begin with a parameter's name, such as --param data_span=7.")
        if not equals:
            raise DataRefused(f"--param {name}: expected name=value, such as --param data_span=7.")
        if name not in self.definitions:
            near = difflib.get_close_matches(name, self.definitions, 1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(self.definitions)}."
            raise DataRefused(f"--param {name}: {self.path} has no run parameter {name}; {hint}")
        if has_credentials(value):
            raise DataRefused(
                f"--param {name} must hold no password, token or signature, for the server stores and shows it; "
                "received one. Give the credentials through kubeflow.secrets."
            )
        kind = self.definitions[name]["parameterType"]
        return name, _converted(name, value, kind)


def read_package(path: Path) -> Package:
    """Reads a compiled file.

    Raises:
        DataRefused: There is none, or it is not a pipeline for Kubeflow.
    """
    try:
        content = files.read_bytes(path, _MOST_BYTES)
        spec = yaml_text.parse_first(content)
        name = spec["pipelineInfo"]["name"]
        definitions = spec["root"]["inputDefinitions"]["parameters"]
        graphs = [spec["root"], *(one for one in spec["components"].values() if "dag" in one)]
        steps = tuple(name for graph in graphs for name in graph["dag"]["tasks"])
    except OSError as error:
        raise DataRefused(
            f"{path}: expected a compiled pipeline; it cannot be read ({error.strerror}). Make one with "
            "`frostgate compile`."
        ) from None
    except files.Unreadable as error:
        raise DataRefused(
            f"{path}: expected a compiled pipeline; it {error}. Make one with `frostgate compile`."
        ) from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
        raise DataRefused(
            f"{path}: expected a compiled pipeline; it is something else. Make one with "
            "`frostgate compile -o NEW.yaml`."
        ) from None
    version = f"{name}-{hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]}"
    return Package(path, name, version, definitions, steps)


def six_fields(cron: str) -> str:
    """Reads a cron expression of five or six fields.

    Returns:
        Six fields, the first of them seconds, as the backend wants them.

    Raises:
        DataRefused: It has another number of fields, or a number that a field cannot have.
    """
    fields = cron.split()
    if len(fields) not in (5, 6):
        raise DataRefused(
            f"--cron must have six fields ({_CRON_FIELDS}) or the five without seconds; received {cron!r}. "
            "Every night at three is '0 0 3 * * *'."
        )
    six = fields if len(fields) == 6 else ["0", *fields]
    for field, name, (low, high) in zip(six, _CRON_FIELDS.split(), _CRON_RANGES, strict=True):
        for number in re.findall(r"(?<![/\w])\d+", field):
            if not low <= int(number) <= high:
                raise DataRefused(f"--cron {cron!r}: the {name} must be {low} to {high}; received {number}.")
    return " ".join(six)


def _converted(name: str, value: str, kind: str) -> Any:
    if kind == "STRING":
        return value
    try:
        if kind == "BOOLEAN":
            return {"true": True, "false": False}[value.lower()]
        return int(value) if kind == "NUMBER_INTEGER" else float(value)
    except (KeyError, ValueError):
        raise DataRefused(f"--param {name}: expected {_EXPECTED[kind]}; received {value!r}.") from None
