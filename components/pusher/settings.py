"""What the push may be told."""

from components.settings import Settings


class PushSettings(Settings):
    """Where served versions are kept."""

    destination: str = ""
    """Folder on a mounted file system that receives numbered version directories; empty: `<output>/<name>/models`."""
