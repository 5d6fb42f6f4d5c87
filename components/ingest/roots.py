"""Which addresses a list that others wrote may name: those in folders and buckets that the configuration allows."""

import os
import posixpath
from collections.abc import Iterable

_LOCAL = "file"


class Roots:
    """Folders and buckets; what lies in one of them is `in` it."""

    def __init__(self, addresses: Iterable[str]) -> None:
        """Reads their addresses once, for a list may have millions of rows.

        Args:
            addresses: Local paths, or addresses with a scheme.
        """
        self._roots = tuple(map(_parts, addresses))

    def __contains__(self, uri: str) -> bool:
        """Says whether an address lies in one of them; of a chain of file systems (`zip://a::http://b`) never."""
        scheme, path = _parts(uri)
        return any(
            scheme == root_scheme and (path == root or path.startswith(root.rstrip("/") + "/"))
            for root_scheme, root in self._roots
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
