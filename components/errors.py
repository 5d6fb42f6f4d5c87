"""Errors that mean something to whoever started a run."""

from collections.abc import Mapping
from typing import Any


class DataRefused(ValueError):
    """The data or the configuration is bad; nothing of ours failed. The message is one sentence for the user.

    Attributes:
        found: What was found out about the data, as JSON; None where they were not looked at as a whole.
    """

    def __init__(self, message: str, found: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.found = found


class ArtifactChanged(RuntimeError):
    """What a step made is no longer what a later one judged; the step has to make it again.

    Attributes:
        folder: Of the artifact that changed.
    """

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(f"{folder}: {reason}.")
        self.folder = folder
