"""Errors that mean something to whoever started a run."""


class DataRefused(ValueError):
    """The data or the configuration is bad; nothing of ours failed. The message is one sentence for the user."""
