"""What is kept of requests."""

from pydantic import Field

from components.settings import Settings


class ServingLogSettings(Settings):
    """Requests and answers of the served model, for `frostgate monitor`."""

    uri: str = ""
    """Folder, local, gs:// or s3://, that receives a folder a day; empty: nothing is kept."""
    rate: float = Field(1.0, gt=0, le=1)
    """Share of requests that is kept, drawn at random."""
    pictures: bool = False
    """Whether the pictures are kept, too; without them the log holds sizes, channel means and answers, and nothing of
    what a picture shows, and embeddings are not compared."""
