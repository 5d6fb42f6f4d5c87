"""What a server gets to see: good pictures, odd ones, and files that are no pictures."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image, ImageOps

LARGE_BATCH: Final = 32

_SIZE: Final = (96, 64)
_LARGE_SIZE: Final = (3000, 2000)
_JPEG_BLOCK: Final = 8
_EXIF_ORIENTATION: Final = 0x0112
_TURNED_RIGHT: Final = 6


@dataclass(frozen=True)
class Request:
    """One call of the export.

    Attributes:
        name: Unique.
        images: Encoded files, one batch.
        is_bad: Must be refused; otherwise must be answered.
        rows: Where the batch's pictures stand among the validation images; None where they are not among them.
        same_as: Name of the request whose probabilities must come out.
    """

    name: str
    images: tuple[bytes, ...]
    is_bad: bool = False
    rows: tuple[int, ...] | None = None
    same_as: str | None = None


def plan(images: Sequence[bytes]) -> tuple[Request, ...]:
    """Builds every request, in the order in which they are sent.

    Args:
        images: Encoded validation images that ingest kept, at least one; the odd and bad ones are made of the first.
    """
    batch = tuple(index % len(images) for index in range(LARGE_BATCH))
    good = [_validation("batch_of_1", images, (0,)), _validation(f"batch_of_{LARGE_BATCH}", images, batch)]
    for start in range(0, len(images), LARGE_BATCH):
        rows = tuple(range(start, min(start + LARGE_BATCH, len(images))))
        good.append(_validation(f"validation_from_{start}", images, rows))
    picture = _upright_rgb(images[0])
    odd = [Request(name, (contents,)) for name, contents in _odd(picture).items()]
    return (*good, *odd, *_turned(picture), *_bad_and_after(picture, images[0]))


def _validation(name: str, images: Sequence[bytes], rows: tuple[int, ...]) -> Request:
    return Request(name, tuple(images[row] for row in rows), rows=rows)


def _upright_rgb(contents: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(contents))).convert("RGB")


def _odd(picture: Image.Image) -> dict[str, bytes]:
    small = picture.resize(_SIZE)
    grey = small.convert("L")
    see_through = small.convert("RGBA")
    see_through.putalpha(grey)
    return {
        "grayscale_png": _encode(grey, "PNG"),
        "palette_png": _encode(small.quantize(16), "PNG"),
        "rgba_png": _encode(see_through, "PNG"),
        "16_bit_png": _encode(Image.fromarray(np.asarray(grey, np.uint16) * 257), "PNG"),
        "gif": _encode(small, "GIF"),
        "cmyk_jpeg": _encode(small.convert("CMYK"), "JPEG"),
        "1_by_1_png": _encode(picture.resize((1, 1)), "PNG"),
        "large_jpeg": _encode(picture.resize(_LARGE_SIZE), "JPEG"),
    }


def _turned(picture: Image.Image) -> tuple[Request, Request]:
    """A JPEG that its EXIF block turns, and what a person sees of it, without loss and without EXIF."""
    # Blocks of one colour decode alike in every JPEG decoder, so the two may be held to the parity tolerance.
    columns, rows = _SIZE[0] // _JPEG_BLOCK, _SIZE[1] // _JPEG_BLOCK
    stored = picture.resize((columns, rows)).resize(_SIZE, Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = _TURNED_RIGHT
    turned = _encode(stored, "JPEG", exif=exif, subsampling=0)
    upright = _encode(_upright_rgb(turned), "PNG")
    return Request("exif_upright_png", (upright,)), Request("exif_turned_jpeg", (turned,), same_as="exif_upright_png")


def _bad_and_after(picture: Image.Image, good: bytes) -> list[Request]:
    """Every bad file is followed by a good one: a server must survive what it refuses."""
    small = picture.resize(_SIZE)
    jpeg, png = _encode(small, "JPEG", quality=95), _encode(small, "PNG")
    bad = {
        "empty": b"",
        "text": b"This is not a picture.",
        "half_jpeg": jpeg[: len(jpeg) // 2],
        "jpeg_without_its_end": jpeg[: len(jpeg) * 19 // 20],
        "half_png": png[: len(png) // 2],
        "bmp": _encode(small, "BMP"),
    }
    requests = []
    for name, contents in bad.items():
        requests.append(Request(name, (contents,), is_bad=True))
        requests.append(Request(f"good_after_{name}", (good,), rows=(0,)))
    return requests


def _encode(picture: Image.Image, image_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, image_format, **options)
    return out.getvalue()
