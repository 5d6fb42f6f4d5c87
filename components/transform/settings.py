"""The Transform step's settings."""

from pydantic import Field

from components.settings import Settings


class TransformSettings(Settings):
    """How an encoded picture becomes the backbone's input."""

    image_size: int = Field(32, ge=32, le=1024)
    """Side of the square input, in pixels; with ImageNet weights that of the pictures that they were trained on."""
