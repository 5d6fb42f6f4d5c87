"""A CSV or Parquet table with columns uri, label and, optionally, split."""

import csv
import io
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any, Final

from components.errors import DataRefused
from components.ingest import storage
from components.ingest.groups import Grouping, grouping_of
from components.ingest.items import Container, Listing, Reject
from components.ingest.names import escaped, label_fault, split_of, uri_fault
from components.ingest.roots import is_below
from components.ingest.settings import DataSettings
from schemas import features

SUFFIXES: Final = (".csv", ".parquet")
_REQUIRED: Final = ("uri", "label")


def list_manifest(settings: DataSettings) -> Listing:
    """Lists the images that a manifest names; relative addresses start at the manifest's folder.

    Raises:
        DataRefused: The manifest is missing, unreadable, empty, or lacks a column.
    """
    grouping = grouping_of(settings.group, "a manifest", "column", "path")
    data = _read(settings.uri)
    rows = list(_rows(settings.uri, data, grouping.column))
    if not rows:
        raise DataRefused(f"The manifest {settings.uri} has no rows; write one row an image.")
    given = {split_of(row.get("split", "")) for row in rows}
    has_splits = settings.given_splits != "ignore" and set(features.JUDGED) <= given
    roots = (posixpath.dirname(settings.uri) or ".", *settings.roots)
    items = [_item(settings.uri, row, position, has_splits, grouping, roots) for position, row in enumerate(rows)]
    containers = [item for item in items if isinstance(item, Container)]
    if not containers:
        first = next(item for item in items if isinstance(item, Reject))
        raise DataRefused(
            f"The manifest {settings.uri} must name images that can be used; none of its {len(rows)} rows does. The "
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
    files, path = storage.filesystem(uri)
    try:
        return bytes(files.cat_file(path))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DataRefused(f"The manifest {uri} was not found; set data.uri to a CSV or Parquet file.") from error


def _rows(uri: str, data: bytes, group_column: str) -> Iterator[dict[str, str]]:
    wanted = (*_REQUIRED, "split", *([group_column] if group_column else []))
    names, rows = _parquet(uri, data, wanted) if uri.lower().endswith(".parquet") else _csv(uri, data)
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


def _csv(uri: str, data: bytes) -> tuple[list[str], Iterator[dict[str, str]]]:
    try:
        reader, lines = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True), list[list[str]]()
        for fields in reader:
            # A quotation mark that nobody closes takes the rows up to the next one into its field.
            if any("\n" in text or "\r" in text for text in fields):
                raise csv.Error(f"a field that ends in line {reader.line_num} goes over several lines")
            lines.append(fields)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataRefused(
            f"The manifest {uri} is not CSV in UTF-8 with a line for each image ({error}); close or remove lone "
            "quotation marks, or export it again."
        ) from error
    names, rows = (lines[0], lines[1:]) if lines else ([], [])
    return names, (dict(zip(names, fields, strict=False)) for fields in rows if fields)


def _parquet(uri: str, data: bytes, wanted: Sequence[str]) -> tuple[list[str], Iterator[dict[str, str]]]:
    from components.foreign import parquet

    names, rows = parquet.read_rows(data, f"The manifest {uri}", wanted)
    return names, iter(rows)


def _item(
    manifest_uri: str,
    row: dict[str, str],
    position: int,
    has_splits: bool,
    grouping: Grouping,
    roots: Sequence[str],
) -> Container | Reject:
    if not row["uri"]:
        return Reject(f"{manifest_uri}#row {position + 1}", "missing_uri", "the row names no image")
    if fault := uri_fault(row["uri"]):
        return Reject(escaped(row["uri"]), "bad_name", fault)
    uri = _absolute(manifest_uri, row["uri"])
    if not is_below(uri, roots):
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
