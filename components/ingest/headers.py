"""What can be refused before a picture is decoded."""

import io
import warnings
from typing import Final

from PIL import Image

# Pillow calls a JPEG with further pictures appended (many phones write them) MPO.
FORMATS: Final = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "GIF": "gif"}


class HeaderRefused(ValueError):
    """An encoded picture that must not be decoded."""

    def __init__(self, reason: str, detail: str) -> None:
        """Holds a short `reason` code and a `detail` for people."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def check_header(data: bytes, max_bytes: int, max_pixels: int) -> str:
    """Reads a picture's header, and nothing behind it.

    Args:
        data: The encoded file.
        max_bytes: Largest accepted file.
        max_pixels: Largest accepted width x height x number of frames; an animation is decoded whole for its first.

    Returns:
        The format: "jpeg", "png" or "gif".

    Raises:
        HeaderRefused: `empty_file`, `too_many_bytes`, `not_an_image`, `unsupported_format` or `too_many_pixels`.
    """
    if not data:
        raise HeaderRefused("empty_file", "the file has no bytes")
    if len(data) > max_bytes:
        raise HeaderRefused("too_many_bytes", f"{len(data)} bytes; at most {max_bytes} are accepted")
    name, (width, height), num_frames = _identify(data)
    if name not in FORMATS:
        raise HeaderRefused("unsupported_format", f"{name}; JPEG, PNG and GIF are accepted")
    if width * height * num_frames > max_pixels:
        size = f"{width} x {height} pixels" + (f" in {num_frames} frames" if num_frames > 1 else "")
        raise HeaderRefused("too_many_pixels", f"{size}; at most {max_pixels} are accepted")
    return FORMATS[name]


def _identify(data: bytes) -> tuple[str, tuple[int, int], int]:
    with warnings.catch_warnings():
        # Pillow warns of many pixels by its own measure; ours is checked by the caller.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data)) as picture:
                # Only a GIF's frames are decoded all; counting them reads block lengths, no pixels.
                num_frames = getattr(picture, "n_frames", 1) if picture.format == "GIF" else 1
                return str(picture.format), picture.size, num_frames
        except Image.DecompressionBombError as error:
            raise HeaderRefused("too_many_pixels", str(error)) from error
        except Exception as error:  # On hostile bytes Pillow's parsers raise anything.
            raise HeaderRefused("not_an_image", "no header of a known picture format was found") from error
