"""The curated TFDV schema, with a pipeline's classes in it."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from schemas import features

SCHEMA_FILE: Final = "schema.pbtxt"
_CURATED: Final = Path(__file__).with_name("images.pbtxt")


def curated_schema(classes: Sequence[str]) -> schema_pb2.Schema:
    """Fills the class names into `images.pbtxt`.

    A single image with another label is an anomaly.

    Args:
        classes: The class names; their order does not matter here.

    Raises:
        ValueError: There is no class.
    """
    if not classes:
        raise ValueError("The schema needs the class names; received none.")
    schema = text_format.Parse(_CURATED.read_text(), schema_pb2.Schema())
    label = next(feature for feature in schema.feature if feature.name == features.LABEL)
    label.string_domain.name = features.LABEL
    label.string_domain.value.extend(classes)
    label.distribution_constraints.min_domain_mass = 1.0
    return schema


def write_schema(classes: Sequence[str], directory: str) -> str:
    """Writes the schema for ImportSchemaGen, into a folder named by its content: another schema is another path.

    Args:
        classes: The class names.
        directory: Local folder; made if missing.

    Returns:
        The file's path: `<directory>/<hash>/schema.pbtxt`.
    """
    text = text_format.MessageToString(curated_schema(classes), as_utf8=True)
    folder = Path(directory) / hashlib.sha256(text.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=folder.parent)
    with open(handle, "w", encoding="utf-8") as opened:
        opened.write(text)
    os.replace(scratch, folder / SCHEMA_FILE)
    return str(folder / SCHEMA_FILE)


def served_comparators() -> dict[str, schema_pb2.FeatureComparator]:
    """How far what is served may be from what was learnt: feature -> TFDV's measure and threshold."""
    found: dict[str, schema_pb2.FeatureComparator] = {}
    for path in (_CURATED, _CURATED.with_name("served.pbtxt")):
        schema = text_format.Parse(path.read_text(), schema_pb2.Schema())
        found |= {one.name: one.skew_comparator for one in schema.feature if one.HasField("skew_comparator")}
    return found
