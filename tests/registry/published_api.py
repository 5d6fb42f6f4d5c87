"""What Kubeflow Model Registry's published API takes and answers, read off the models and paths generated from it."""

import inspect
import re
import typing
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

import mr_openapi
from mr_openapi.api.model_registry_service_api import ModelRegistryServiceApi
from pydantic import TypeAdapter, ValidationError

Json = dict[str, Any]
_CALL = re.compile(r'method="(?P<method>[A-Z]+)",\s+resource_path="(?P<path>[^"]+)"')
_QUERY = re.compile(r'if (\w+) is not None:\s+_query_params\.append\(\("(\w+)"')
_STATUS = re.compile(r'"(20\d)": "\w+"')


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    Attributes:
        name: As the generated client calls it.
        method: GET, POST or PATCH.
        path: With its parameters in braces.
        query: Parameter -> the type of its value.
        body: Model of the request's body; None without one.
        answer: Model of the answer.
        status: Of a good answer.
    """

    name: str
    method: str
    path: str
    query: dict[str, Any]
    body: Any
    answer: Any
    status: int

    def names(self, method: str, path: str) -> dict[str, str] | None:
        """The path's parameters, if it is this operation's."""
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path), path)
        if not found or method != self.method:
            return None
        return {name: unquote(value) for name, value in found.groupdict().items()}


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation that has an answer."""
    return tuple(_operations())


def faults_of(what: str, kind: Any, value: Any) -> list[str]:
    """Says why a value is none of the API's; unknown fields are a fault, for the server refuses them."""
    try:
        if not hasattr(kind, "from_dict"):
            TypeAdapter(kind).validate_python(value)
            return []
        model = kind.from_dict(value)
    except (ValidationError, ValueError, TypeError, AttributeError) as error:
        return [f"{what}: {str(error).splitlines()[0]}"]
    # What is one of several knows its fields only once it is chosen.
    chosen = getattr(model, "actual_instance", None) or model
    known = {field.alias or name for name, field in type(chosen).model_fields.items()}
    return [f"{what}: unknown field {name}" for name in sorted(set(value) - known)]


def _operations() -> typing.Iterator[Operation]:
    for name, call in vars(ModelRegistryServiceApi).items():
        serialize = vars(ModelRegistryServiceApi).get(f"_{name}_serialize")
        if name.startswith("_") or serialize is None:
            continue
        source, hints = inspect.getsource(serialize), typing.get_type_hints(call, include_extras=True)
        statuses, sent = _STATUS.findall(inspect.getsource(call)), _CALL.search(source)
        answer = hints.get("return")
        if not sent or not statuses or answer is None:
            continue
        query = {key: hints[parameter] for parameter, key in _QUERY.findall(source)}
        bodies = [_model(hint) for parameter, hint in hints.items() if f"_body_params = {parameter}\n" in source]
        yield Operation(
            name, sent["method"], sent["path"], query, bodies[0] if bodies else None, answer, int(statuses[0])
        )


def _model(hint: Any) -> Any:
    kinds = (hint, *typing.get_args(hint))
    return next(one for one in kinds if inspect.isclass(one) and hasattr(mr_openapi, one.__name__))
