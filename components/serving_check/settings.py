"""What the serving check may be told."""

from pydantic import Field

from components.settings import Settings


class ServingCheckSettings(Settings):
    """How the export is tried in a fresh process."""

    num_examples: int = Field(32, ge=1)
    """Validation images whose served probabilities are compared with the training graph's."""
    num_timed_requests: int = Field(10, ge=1)
    """Repetitions behind each latency figure; latency is recorded, never judged."""
    timeout_seconds: float = Field(300.0, gt=0)
    """The fresh process is stopped after this long and the check fails."""
