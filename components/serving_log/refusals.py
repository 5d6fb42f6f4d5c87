"""Why requests cannot be compared, in the same words before a run and in its steps."""

from components.errors import DataRefused


def no_log() -> DataRefused:
    """Words it that nobody said where the log is."""
    return DataRefused(
        "serving_log.uri must name the folder with the log of requests; it is empty. "
        "`frostgate predict --log` writes one, and so does frostgate.serving_log in a server."
    )


def no_champion(model_name: str) -> DataRefused:
    """Words it that no model is served."""
    return DataRefused(
        f"{model_name} has no champion yet, so there is nothing to compare requests with; `frostgate run` makes one."
    )


def no_reference(version: str, model_name: str) -> DataRefused:
    """Words it that nobody kept what the served model says of pictures like those it learnt from."""
    return DataRefused(
        f"Version {version} of {model_name} was registered without a reference to compare requests with, by hand or by "
        "an older frostgate; `frostgate run --again` makes one."
    )
