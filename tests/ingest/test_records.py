import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.tfx


@pytest.fixture(scope="module")
def inspect() -> Callable[..., object]:
    from components.ingest.items import Container, Raw
    from components.ingest.record import Inspector
    from components.ingest.settings import DataSettings

    inspector = Inspector(DataSettings())
    return lambda data, label="cat", uri="a": inspector.inspect(
        Raw(uri, label, None, 0, data), Container("file", uri, label)
    )


def encoded(pixels: np.ndarray, **options: int) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, format="PNG", **options)
    return written.getvalue()


def test_scalars_are_those_of_the_pixels(inspect: Callable) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (7, 11, 3), dtype=np.uint8)
    data = encoded(pixels)
    found = inspect(data)
    assert (found.height, found.width, found.num_bytes, found.format) == (7, 11, len(data), "png")
    assert found.channel_means == pytest.approx(pixels.mean((0, 1)))
    assert found.channel_stds == pytest.approx(pixels.std((0, 1)))
    assert found.sharpness > 0


def test_extreme_pictures_stay_inside_the_schema(inspect: Callable) -> None:
    white, half = np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4, 3), np.uint8)
    half[:2] = 255
    assert inspect(encoded(white)).channel_means == (255.0, 255.0, 255.0)
    assert (inspect(encoded(white)).channel_stds, inspect(encoded(white)).sharpness) == ((0.0, 0.0, 0.0), 0.0)
    assert inspect(encoded(half)).channel_stds == (127.5, 127.5, 127.5)


def test_the_content_hash_is_of_the_picture_and_not_of_the_file(inspect: Callable) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    found = [inspect(encoded(pixels, compress_level=level)).content_hash for level in (0, 9)]
    assert found[0] == found[1] and len(found[0]) == 64
    # The same values in another shape are another picture.
    assert inspect(encoded(pixels.reshape(4, 9, 3))).content_hash != found[0]


def test_names_are_checked_before_anything_is_decoded(inspect: Callable) -> None:
    data = encoded(np.zeros((4, 4, 3), np.uint8))
    assert inspect(data, label="").reason == "missing_label"
    assert inspect(data, uri="a\x1b[31m").uri == "a\\x1b[31m"
    reject = inspect(data, label="../\udcff")
    assert reject.reason == "bad_label" and "\\udcff" in reject.detail


def test_bytes_that_changed_between_the_passes_are_refused(inspect: Callable) -> None:
    from components.ingest.record import build_example

    data = encoded(np.zeros((4, 4, 3), np.uint8))
    assert build_example(inspect(data), data).features.feature["label"].bytes_list.value[0] == b"cat"
    with pytest.raises(ValueError, match="changed while it was being read"):
        build_example(inspect(data), data + b" ")


def test_an_example_has_every_feature_of_the_schema_and_no_other(inspect: Callable) -> None:
    from components.ingest.record import build_example
    from schemas.images import curated_schema

    data = encoded(np.zeros((4, 4, 3), np.uint8))
    written = build_example(inspect(data), data).features.feature
    assert set(written) == {feature.name for feature in curated_schema(["cat"]).feature}
