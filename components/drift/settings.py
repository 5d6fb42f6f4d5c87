"""When requests have moved away from what was learnt."""

from typing import Annotated, Literal

from pydantic import Field

from components.settings import Settings


class DriftSettings(Settings):
    """When `frostgate monitor` raises an alert."""

    num_days: int = Field(7, ge=1)
    """The window of the log that is compared: so many days, the last one included."""
    min_requests: int = Field(100, ge=20)
    """Fewer requests in the window cannot tell."""
    significance: float = Field(0.01, gt=0, lt=0.5)
    """Accepted chance of a false alert a look, over all features together."""
    thresholds: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field({})
    """Feature -> largest accepted distance in TFDV's measure, in place of the one in schemas/images.pbtxt and
    schemas/served.pbtxt."""
    on_alert: Literal["nothing", "train"] = "nothing"
    """`train`: an alert starts a training run at once; one of a look at another day than today does not."""
