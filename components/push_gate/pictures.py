"""Small pictures for a page."""

import base64
import io
from typing import Final

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
    buffer = io.BytesIO()
    small.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
