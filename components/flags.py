"""Yes or no, as metadata stores hand it back."""

from tfx.types.artifact import Artifact


def is_set(artifact: Artifact, key: str) -> bool:
    """Whether a custom property is 1, also as the double that Kubeflow's metadata store makes of it.

    `Artifact.get_int_custom_property`, which the stock Pusher asks, reads a stored double 1.0 as 0.

    Args:
        artifact: A blessing or a pushed model.
        key: The property; an absent one is a no.
    """
    value = artifact.get_custom_property(key)
    return isinstance(value, int | float) and value == 1
