import resource
from collections.abc import Callable

import pytest
from PIL import Image

from components.ingest.headers import HeaderRefused, check_header

LIMITS = {"max_bytes": 1_000_000, "max_pixels": 50_000_000}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_three_formats_are_accepted(picture: Callable[..., bytes], kind: str) -> None:
    assert check_header(picture(1, kind), **LIMITS) == kind.lower()


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty_file"), (b"just text", "not_an_image"), (b"\x89PNG\r\n\x1a\n", "not_an_image")],
)
def test_what_is_no_picture_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(HeaderRefused) as refused:
        check_header(data, **LIMITS)
    assert refused.value.reason == reason


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "BMP"])
def test_other_formats_are_named(picture: Callable[..., bytes], kind: str) -> None:
    with pytest.raises(HeaderRefused, match=kind) as refused:
        check_header(picture(1, kind), **LIMITS)
    assert refused.value.reason == "unsupported_format"


def test_size_limits_are_inclusive(picture: Callable[..., bytes]) -> None:
    data = picture(1)  # 24 x 24
    assert check_header(data, max_bytes=len(data), max_pixels=576) == "png"
    for limits, reason in (
        ({"max_bytes": len(data) - 1, "max_pixels": 576}, "too_many_bytes"),
        ({"max_bytes": len(data), "max_pixels": 575}, "too_many_pixels"),
    ):
        with pytest.raises(HeaderRefused) as refused:
            check_header(data, **limits)
        assert refused.value.reason == reason


@pytest.mark.parametrize("side", [12000, 20000])
def test_a_decompression_bomb_is_refused_without_memory(bomb: Callable[[int], bytes], side: int) -> None:
    data = bomb(side)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(HeaderRefused) as refused:
        check_header(data, **LIMITS | {"max_bytes": 10_000_000})
    assert refused.value.reason == "too_many_pixels"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_the_frames_of_an_animation_count(picture: Callable[..., bytes]) -> None:
    frames = [Image.new("RGB", (24, 24), (25 * number, 0, 0)) for number in range(9)]
    data = picture(1, "GIF", save_all=True, append_images=frames)
    assert check_header(data, max_bytes=100_000, max_pixels=10 * 576) == "gif"
    with pytest.raises(HeaderRefused, match="24 x 24 pixels in 10 frames"):
        check_header(data, max_bytes=100_000, max_pixels=10 * 576 - 1)
