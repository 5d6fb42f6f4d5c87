"""What the export is asked."""

import io
import itertools

import numpy as np
from PIL import Image, ImageOps

from components.serving_check.requests import plan


def opened(contents: bytes) -> Image.Image:
    return Image.open(io.BytesIO(contents))


def test_every_validation_image_is_asked_and_every_name_is_unique(images: list[bytes]) -> None:
    requests = plan(images * 8)
    asked = {row for request in requests if request.name.startswith("validation") for row in request.rows or ()}
    assert asked == set(range(40))
    assert len({request.name for request in requests}) == len(requests)


def test_few_images_still_fill_a_large_batch(images: list[bytes]) -> None:
    batch = next(request for request in plan(images[:2]) if request.name == "batch_of_32")
    assert len(batch.images) == 32 and (batch.rows or ())[:3] == (0, 1, 0) and batch.images[1] == images[1]


def test_odd_pictures_are_what_their_names_say(images: list[bytes]) -> None:
    odd = {request.name: opened(request.images[0]) for request in plan(images) if not request.is_bad}
    assert (odd["grayscale_png"].mode, odd["palette_png"].mode, odd["rgba_png"].mode) == ("L", "P", "RGBA")
    assert odd["16_bit_png"].mode.startswith("I;16")
    assert (odd["gif"].format, odd["cmyk_jpeg"].mode) == ("GIF", "CMYK")
    assert (odd["1_by_1_png"].size, odd["large_jpeg"].size) == ((1, 1), (3000, 2000))


def test_the_turned_picture_and_its_twin_look_the_same_and_are_stored_differently(images: list[bytes]) -> None:
    found = {request.name: opened(request.images[0]) for request in plan(images) if "exif" in request.name}
    turned, upright = found["exif_turned_jpeg"], found["exif_upright_png"]
    assert turned.size == upright.size[::-1]
    np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(turned)), np.asarray(upright))
    assert not upright.getexif()


def test_a_good_request_follows_every_bad_one(images: list[bytes]) -> None:
    requests = plan(images)
    after = [following for request, following in itertools.pairwise(requests) if request.is_bad]
    assert len(after) == 6 and all(request.rows == (0,) for request in after)
