"""Errors that the command line knows without the cluster's client."""


class ClusterUnavailable(RuntimeError):
    """The cluster did not answer, or not with sense; the same command may work later."""
