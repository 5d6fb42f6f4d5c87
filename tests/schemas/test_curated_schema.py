from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from schemas import features
from schemas.images import curated_schema, write_schema


def by_name(schema: schema_pb2.Schema) -> dict[str, schema_pb2.Feature]:
    return {feature.name: feature for feature in schema.feature}


def test_every_raw_feature_is_required_once_with_its_type() -> None:
    schema = by_name(curated_schema(["a", "b"]))
    floats = {*features.CHANNEL_MEANS, *features.CHANNEL_STDS, features.SHARPNESS}
    integers = {features.HEIGHT, features.WIDTH, features.NUM_BYTES}
    texts = {features.IMAGE_BYTES, features.LABEL, features.URI, features.CONTENT_HASH, features.GROUP, features.FORMAT}
    assert set(schema) == floats | integers | texts
    for name, feature in schema.items():
        kind = "FLOAT" if name in floats else "INT" if name in integers else "BYTES"
        assert schema_pb2.FeatureType.Name(feature.type) == kind
        assert feature.presence.min_fraction == 1 and [dim.size for dim in feature.shape.dim] == [1]


def test_serving_has_no_label_and_every_scalar_is_compared() -> None:
    schema = by_name(curated_schema(["a", "b"]))
    assert {name for name, one in schema.items() if "SERVING" in one.not_in_environment} == {"label", "uri", "group"}
    compared = {name for name, one in schema.items() if one.skew_comparator.ByteSize()}
    assert compared == set(schema) - {"image_bytes", "label", "uri", "content_hash", "group"}
    assert all(one.drift_comparator.ByteSize() for name, one in schema.items() if name in compared | {"label"})


def test_the_file_is_named_by_its_content(tmp_path: Path) -> None:
    first, again, other = (write_schema(names, str(tmp_path)) for names in (("a", "b"), ("a", "b"), ("a", "猫")))
    assert first == again != other and len(list(tmp_path.iterdir())) == 2
    written = text_format.Parse(Path(other).read_text(), schema_pb2.Schema())
    assert list(by_name(written)["label"].string_domain.value) == ["a", "猫"]


def test_a_schema_without_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="received none"):
        curated_schema([])
