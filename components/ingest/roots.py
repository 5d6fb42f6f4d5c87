"""Which addresses a list that others wrote may name: those in folders and buckets that the configuration allows."""

import os
import posixpath
from collections.abc import Iterable

_LOCAL = "file"


def is_below(uri: str, roots: Iterable[str]) -> bool:
    """Says whether an address lies in one of some folders or buckets.

    Args:
        uri: A local path, or an address with a scheme; of a chain of file systems (`zip://a::http://b`) never.
        roots: Likewise.
    """
    scheme, path = _parts(uri)
    return any(
        scheme == root_scheme and (path == root or path.startswith(root.rstrip("/") + "/"))
        for root_scheme, root in map(_parts, roots)
    )


def _parts(uri: str) -> tuple[str, str]:
    """Splits an address into its scheme and a path without `..`; the host belongs to the path."""
    if "::" in uri:
        return "", uri
    scheme, separator, path = uri.partition("://")
    if not separator:
        return _LOCAL, os.path.abspath(uri)
    if scheme.lower() == _LOCAL:
        return _LOCAL, os.path.abspath(path)
    return scheme.lower(), posixpath.normpath(path)
