"""A CSV or Parquet table with columns uri, label and, optionally, split."""

import posixpath
from collections.abc import Iterator, Sequence, Set
from typing import Any, Final

from components.errors import DataRefused
from components.foreign import csv_text, files
from components.ingest import storage
from components.ingest.groups import Grouping, grouping_of
from components.ingest.items import Container, Listing, Reject
from components.ingest.names import escaped, label_fault, split_of, uri_fault
from components.ingest.roots import Roots
from components.ingest.settings import DataSettings
from schemas import features

SUFFIXES: Final = (".csv", ".parquet")
_REQUIRED: Final = ("uri", "label")
_MOST_BYTES: Final = 2**30


def list_manifest(settings: DataSettings) -> Listing:
    """Lists the images that a manifest names; relative addresses start at the manifest's folder.

    Raises:
        DataRefused: The manifest is missing, unreadable, empty, or lacks a column.
    """
    grouping = grouping_of(settings.group, "a manifest", "column", "path")
    data = _read(settings.uri)
    # Read twice, for ten million rows do not fit into memory beside what is made of them.
    splits = {row["split"] for row in _rows(settings.uri, data, grouping.column)}
    if not splits:
        raise DataRefused(f"The manifest {settings.uri} has no rows; write one row an image.")
    has_splits = settings.given_splits != "ignore" and _has_splits(settings.uri, splits)
    roots = Roots((posixpath.dirname(settings.uri) or ".", *settings.roots))
    items = [
        _item(settings.uri, row, position, has_splits, grouping, roots)
        for position, row in enumerate(_rows(settings.uri, data, grouping.column))
    ]
    containers = [item for item in items if isinstance(item, Container)]
    if not containers:
        first = next(item for item in items if isinstance(item, Reject))
        raise DataRefused(
            f"The manifest {settings.uri} must name images that can be used; none of its {len(items)} rows does. The "
            f"first: {first.uri}: {first.detail}."
        )
    stamps = storage.stamps_of(container.uri for container in containers)
    return Listing(
        "manifest",
        tuple(containers),
        storage.fingerprint(stamps.items(), data),
        has_splits,
        tuple(sorted({container.label or "" for container in containers})),
        tuple(item for item in items if isinstance(item, Reject)),
    )


def _read(uri: str) -> bytes:
    try:
        with storage.opened(uri, _MOST_BYTES) as opened:
            return files.read_all(opened, _MOST_BYTES)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DataRefused(f"The manifest {uri} was not found; set data.uri to a CSV or Parquet file.") from error
    except files.Unreadable as error:
        raise DataRefused(f"The manifest {uri} {error}; set data.uri to a CSV or Parquet file.") from error


def _has_splits(uri: str, splits: Set[str]) -> bool:
    if set(features.JUDGED) <= {split_of(split) for split in splits}:
        return True
    if named := sorted(splits - {""}):
        raise DataRefused(
            f"The manifest {uri} must have both splits in its column split, train and eval (or val, validation), or "
            f"none; it has {', '.join(escaped(split[:100]) for split in named[:3])}. Name both, or set "
            "data.given_splits to ignore."
        )
    return False


def _rows(uri: str, data: bytes, group_column: str) -> Iterator[dict[str, str]]:
    wanted = (*_REQUIRED, "split", *([group_column] if group_column else []))
    names, rows = _columns_and_rows(uri, data, wanted)
    if group_column and group_column not in names:
        raise DataRefused(
            f"The manifest {uri} must have the column {escaped(group_column)}, which data.group names; it has "
            f"{', '.join(map(escaped, names)) or 'no columns'}."
        )
    if missing := [name for name in _REQUIRED if name not in names]:
        raise DataRefused(
            f"The manifest {uri} must have the columns uri and label; {missing[0]} is missing among "
            f"{', '.join(map(escaped, names)) or 'no columns'}."
        )
    for row in rows:
        yield {name: _text(uri, name, row.get(name)) for name in wanted}


def _columns_and_rows(uri: str, data: bytes, wanted: Sequence[str]) -> tuple[list[str], Iterator[dict[str, Any]]]:
    if not uri.lower().endswith(".parquet"):
        return csv_text.read_rows(data, f"The manifest {uri}")
    from components.foreign import parquet

    return parquet.read_rows(data, f"The manifest {uri}", wanted)


def _text(uri: str, name: str, value: Any) -> str:
    """A value as CSV would have it; Parquet knows texts as bytes, and numbers that are none."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise DataRefused(
                f"The manifest {uri} must hold UTF-8 in its column {name}; it has other bytes ({error}). "
                "Write it again."
            ) from error
    return "" if value is None or value != value else str(value)


def _item(
    manifest_uri: str,
    row: dict[str, str],
    position: int,
    has_splits: bool,
    grouping: Grouping,
    roots: Roots,
) -> Container | Reject:
    if not row["uri"]:
        return Reject(f"{manifest_uri}#row {position + 1}", "missing_uri", "the row names no image")
    if fault := uri_fault(row["uri"]):
        return Reject(escaped(row["uri"]), "bad_name", fault)
    uri = _absolute(manifest_uri, row["uri"])
    if uri not in roots:
        detail = "it is outside of the manifest's folder, and data.roots does not name its own"
        return Reject(uri, "outside_roots", detail)
    if not row["label"]:
        return Reject(uri, "missing_label", "the row names no class")
    if fault := label_fault(row["label"]):
        return Reject(uri, "bad_label", f"the class {escaped(row['label'])!r} is refused: {fault}")
    split = split_of(row["split"])
    if has_splits and split is None:
        return Reject(uri, "unknown_split", f"the split {escaped(row['split'])!r} is neither train nor eval")
    group = row[grouping.column] if grouping.column else grouping.of_path(row["uri"])
    return Container("file", uri, row["label"], split, position, group)


def _absolute(manifest_uri: str, uri: str) -> str:
    if "://" in uri or uri.startswith("/"):
        return uri
    folder, slash, _ = manifest_uri.rpartition("/")
    return f"{folder}{slash}{uri}"
