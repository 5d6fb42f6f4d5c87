import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from components.transform.decoding import decode_image

pytestmark = pytest.mark.tfx


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    blocks = np.random.default_rng(0).integers(0, 255, (6, 8, 3))
    return Image.fromarray(np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8))


@pytest.fixture(scope="module")
def decode() -> tf.types.experimental.PolymorphicFunction:
    # The graph is what is served; eager mode would hide a branch that does not trace.
    return tf.function(decode_image, input_signature=[tf.TensorSpec([], tf.string)])


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def over_white(data: bytes) -> np.ndarray:
    shown = Image.open(io.BytesIO(data)).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright_as_pillow_turns_it(picture, decode, orientation):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a maker's name before the tag", orientation
    data = encoded(picture, "JPEG", quality=95, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(decode(data).numpy(), expected)


def test_big_endian_exif_is_read_too(picture, decode):
    exif = Image.Exif()
    exif.endian = ">"
    exif[0x0112] = 6
    body = exif.tobytes()
    data = encoded(picture, "JPEG", exif=body)
    assert b"MM" in data[:64] or b"II" in data[:64]
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(decode(data).numpy(), expected)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs_become_rgb(picture, decode, mode):
    data = encoded(picture.convert(mode), "JPEG")
    np.testing.assert_array_equal(decode(data).numpy(), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_png_mode_becomes_what_a_viewer_shows(picture, decode, mode):
    data = encoded(picture.convert(mode), "PNG")
    np.testing.assert_array_equal(decode(data).numpy(), over_white(data))


@pytest.mark.parametrize("colours", [2, 4, 12])
def test_shallow_palettes_keep_their_colours(picture, decode, colours):
    data = encoded(picture.quantize(colours), "PNG")
    assert data[24] < 8
    np.testing.assert_array_equal(decode(data).numpy(), over_white(data))


def test_a_transparent_palette_entry_is_laid_over_white(picture, decode):
    data = encoded(picture.quantize(12), "PNG", transparency=0)
    np.testing.assert_array_equal(decode(data).numpy(), over_white(data))


def test_partial_transparency_is_laid_over_white(picture, decode):
    veiled = picture.convert("RGBA")
    veiled.putalpha(picture.convert("L"))
    data = encoded(veiled, "PNG")
    np.testing.assert_array_equal(decode(data).numpy(), over_white(data))


def test_sixteen_bits_are_cut_to_eight(picture, decode):
    deep = np.asarray(picture)[..., 0].astype(np.uint16) * 257
    data = encoded(Image.fromarray(deep), "PNG")
    np.testing.assert_array_equal(decode(data).numpy(), (deep // 256)[..., None].repeat(3, axis=-1))


def test_a_gif_gives_its_first_frame(picture, decode):
    data = encoded(picture, "GIF", save_all=True, append_images=[ImageOps.invert(picture)])
    np.testing.assert_array_equal(decode(data).numpy(), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize(
    "damage",
    [
        lambda picture: b"",
        lambda picture: b"this is text, not a picture",
        lambda picture: encoded(picture, "JPEG")[:-2],
        lambda picture: encoded(picture, "JPEG")[:400],
        lambda picture: encoded(picture, "PNG")[:-40],
        lambda picture: encoded(picture, "GIF")[:-200],
        lambda picture: encoded(picture, "BMP"),
        lambda picture: encoded(picture.convert("P"), "BMP"),
    ],
    ids=["empty", "text", "jpeg without its end", "half a jpeg", "png cut", "gif cut", "bmp", "palette bmp"],
)
def test_what_is_no_complete_picture_is_refused_not_filled_up(picture, decode, damage):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(damage(picture))
