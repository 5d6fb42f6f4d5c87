"""Small pictures for a page."""

import base64
import io
from typing import Final

import numpy as np
from PIL import Image, ImageOps

_SIDE: Final = 64


def thumbnail(encoded: bytes) -> str:
    """Shrinks an encoded picture to at most 64 x 64.

    Returns:
        A PNG as `data:image/png;base64,...`.
    """
    with Image.open(io.BytesIO(encoded)) as image:
        small = ImageOps.exif_transpose(image).convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    return _encoded(small)


def data_uri(pixels: np.ndarray) -> str:
    """The same of a small picture, uint8 [height, width, 3]."""
    return _encoded(Image.fromarray(pixels))


def _encoded(small: Image.Image) -> str:
    buffer = io.BytesIO()
    small.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
