"""What stops a run before its first node."""


class AnotherRun(RuntimeError):
    """Somebody else is running this pipeline in the same folder."""


class StoreUnusable(RuntimeError):
    """The metadata store cannot be read; the message names the file and the way out."""
