"""Where a champion's manifest lies."""

import os
from pathlib import Path
from typing import Final

from components.kserve.manifest import InferenceService, text

# Beside the versions; TensorFlow Serving looks at folders with a number for a name alone.
MANIFEST: Final = "inferenceservice.yaml"


def write(root: Path, service: InferenceService) -> None:
    """Replaces the manifest of a push destination.

    Args:
        root: The push destination.
        service: The champion's; a reader never finds half of it.
    """
    unfinished = root / f".{MANIFEST}.unfinished"
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text(service))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(root / MANIFEST)
