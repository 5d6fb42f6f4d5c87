"""A version's custom properties: tags are texts, metrics are doubles, and what others put there stays theirs."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from mr_openapi import MetadataDoubleValue, MetadataStringValue, MetadataStructValue, MetadataValue

Properties = dict[str, MetadataValue]

_STRING: Final = "MetadataStringValue"
_DOUBLE: Final = "MetadataDoubleValue"


def texts(tags: Mapping[str, str]) -> Properties:
    """Turns tags into properties."""
    return {
        key: MetadataValue(MetadataStringValue(string_value=value, metadataType=_STRING)) for key, value in tags.items()
    }


def numbers(metrics: Mapping[str, float]) -> Properties:
    """Turns finite metrics into properties."""
    return {
        key: MetadataValue(MetadataDoubleValue(double_value=value, metadataType=_DOUBLE))
        for key, value in metrics.items()
    }


def kept(properties: Properties | None) -> Properties:
    """Turns what the server gave into what it takes: a struct comes as JSON, and goes as the base64 of it."""
    return {key: _encoded(value) for key, value in (properties or {}).items()}


def texts_of(properties: Properties | None) -> dict[str, str]:
    """Turns properties into tags; numbers and whatever else there is are left out."""
    values = {key: value.actual_instance for key, value in (properties or {}).items()}
    return {key: value.string_value for key, value in values.items() if isinstance(value, MetadataStringValue)}


def _encoded(value: MetadataValue) -> MetadataValue:
    struct = value.actual_instance
    if not isinstance(struct, MetadataStructValue) or not struct.struct_value.startswith("{"):
        return value
    encoded = b64encode(struct.struct_value.encode()).decode()
    return MetadataValue(struct.model_copy(update={"struct_value": encoded}))
