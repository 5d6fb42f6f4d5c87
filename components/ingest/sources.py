"""Where labelled images come from: what a source holds, and how a worker reads it."""

import dataclasses
from collections.abc import Callable, Iterator, Set
from typing import Final

from components.errors import DataRefused, first_line
from components.foreign.files import Unreadable
from components.ingest import datasets, folder, manifest, shards, spans, storage
from components.ingest.items import Broken, Container, Listing, Raw, Reject, SourceSummary
from components.ingest.names import checked_classes, escaped
from components.ingest.settings import DataSettings
from schemas import features

_LISTERS: Final[dict[str, Callable[[DataSettings], Listing]]] = {
    "folder": folder.list_folder,
    "manifest": manifest.list_manifest,
    "tfrecord": shards.list_shards,
    "tfds": datasets.list_dataset,
}


def discover(settings: DataSettings) -> SourceSummary:
    """Looks at a source without reading its pictures.

    A TFRecord source has to be read once for its class names, unless `settings.classes` gives them.

    Returns:
        Its format, the class names in order, a fingerprint of the files, and whether their splits are used.

    Raises:
        DataRefused: The source is missing, empty or of the wrong form; there are fewer than two classes; splits are
            required and there are none.
    """
    listing = list_source(settings)
    return SourceSummary(
        listing.format, classes_of(listing, settings), listing.fingerprint, listing.has_splits, listing.spans
    )


def list_source(settings: DataSettings) -> Listing:
    """Lists a source's containers; splits that are to be ignored are taken off.

    Raises:
        DataRefused: As for `discover`, apart from the classes; a store did not answer or did not let us in.
    """
    listing = _listed(settings)
    if settings.given_splits == "require" and not listing.has_splits:
        raise DataRefused(f"data.given_splits is `require`, but {settings.uri} has no train and eval splits.")
    if settings.given_splits == "ignore" or not listing.has_splits:
        containers = tuple(
            container if container.split is None else dataclasses.replace(container, split=None)
            for container in listing.containers
        )
        return dataclasses.replace(listing, containers=containers, has_splits=False)
    return listing


def _listed(settings: DataSettings) -> Listing:
    list_one = _LISTERS[format_of(settings)]
    try:
        return spans.list_spans(settings, list_one) if spans.has_spans(settings.uri) else list_one(settings)
    except DataRefused:
        raise
    # Every store has errors of its own, and many are no OSError.
    except Exception as error:
        if "://" not in settings.uri:
            raise
        raise DataRefused(
            f"data.uri must name data that can be read; {settings.uri} cannot ({first_line(error)}). Check the address "
            "and the credentials for it, or use a local path, gs:// or s3://."
        ) from error


def classes_of(listing: Listing, settings: DataSettings) -> tuple[str, ...]:
    """Gives the class names: the configured ones, or those of the data, sorted.

    Raises:
        DataRefused: There are fewer than two, or a name is not accepted.
    """
    if settings.classes:
        return checked_classes(settings.classes)
    return checked_classes(listing.labels if listing.labels is not None else shards.labels_of(listing, settings))


def label_faults(listing: Listing, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Says which labels are no class and which classes have no label, where the labels are known from the listing.

    A run that goes on in spite of it is stopped by DataGate, once every image has been read.
    """
    if listing.labels is None:
        return ()
    if not listing.has_splits or any(one.label is None for one in listing.containers):
        return _label_faults(set(listing.labels), classes)
    sides = {side: {one.label for one in listing.containers if one.split == side} for side in features.JUDGED}
    return tuple(f"{side}: {fault}" for side, found in sides.items() for fault in _label_faults(found, classes))


def _label_faults(found: Set[str | None], classes: tuple[str, ...]) -> tuple[str, ...]:
    return (
        *(f"label {escaped(name)!r} is not a class" for name in sorted(filter(None, found)) if name not in classes),
        *(f"class {name!r} has no image" for name in classes if name not in found),
    )


def format_of(settings: DataSettings) -> str:
    """Decides how a source is read, from the settings or the form of its address."""
    uri = settings.uri.lower()
    if uri.startswith("embedded:"):
        raise DataRefused(f"{settings.uri} has to be written to a folder first, by components.ingest.embedded.")
    if settings.format != "auto":
        return settings.format
    if uri.startswith(datasets.PREFIX):
        return "tfds"
    if uri.endswith(manifest.SUFFIXES):
        return "manifest"
    if uri.endswith(shards.SUFFIXES) or any(sign in uri for sign in "*?["):
        return "tfrecord"
    return "folder"


def read_container(container: Container, settings: DataSettings) -> Iterator[Raw | Reject | Broken]:
    """Reads the images of one container; runs inside the workers.

    Yields:
        `Raw` an image; `Reject` for a file that cannot be read; `Broken` for a damaged shard.
    """
    if container.kind == "tfrecord":
        yield from shards.read_shard(container, settings)
    elif container.kind == "tfds":
        yield from datasets.read_dataset(container, settings)
    else:
        yield _read_file(container, settings.max_bytes)


def _read_file(container: Container, max_bytes: int) -> Raw | Reject:
    try:
        with storage.opened(container.uri) as opened:
            # One byte more shows that the file is too large without holding all of it.
            data = opened.read(max_bytes + 1)
    except FileNotFoundError:
        return Reject(container.uri, "missing_file", "the file was not found")
    except (Unreadable, IsADirectoryError):
        return Reject(container.uri, "no_file", "it is no file but a folder, a pipe or a device")
    except OSError as error:
        return Reject(container.uri, "unreadable_file", error.strerror or str(error))
    return Raw(container.uri, container.label or "", container.split, container.position, data, container.group)
