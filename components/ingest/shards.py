"""TFRecord files of tf.train.Example."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from components.errors import DataRefused
from components.foreign import tfrecords
from components.ingest import storage
from components.ingest.groups import Grouping, grouping_of
from components.ingest.items import Broken, Container, Listing, Raw
from components.ingest.settings import DataSettings

SUFFIXES: Final = (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz")


def list_shards(settings: DataSettings) -> Listing:
    """Lists the shards that a glob matches; their records are not read.

    Raises:
        DataRefused: The glob matches nothing, or a shard has no bytes.
    """
    grouping_of(settings.group, "TFRecord files", "column")
    files, pattern = storage.filesystem(settings.uri)
    paths = sorted(path for path in files.glob(pattern) if files.isfile(path))
    if not paths:
        raise DataRefused(f"No TFRecord file matches {settings.uri}; check data.uri.")
    uris = [storage.with_protocol(files, path) for path in paths]
    stamps = storage.stamps_of(uris)
    if empty := [uri for uri in uris if stamps[uri].size == 0]:
        raise DataRefused(f"The TFRecord file {empty[0]} has no bytes; write it again or remove it.")
    containers = tuple(Container("tfrecord", uri, position=position) for position, uri in enumerate(uris))
    named = [(uri.rsplit("/", 1)[-1], stamp) for uri, stamp in stamps.items()]
    return Listing("tfrecord", containers, storage.fingerprint(named), has_splits=False)


def labels_of(listing: Listing, settings: DataSettings) -> tuple[str, ...]:
    """Reads every record's class name, which takes as long as reading the data.

    Raises:
        DataRefused: A shard is damaged.
    """
    labels = set()
    for container in listing.containers:
        for one in read_shard(container, settings):
            if isinstance(one, Broken):
                raise DataRefused(f"The TFRecord file {one.uri} is damaged: {one.detail}; write it again.")
            labels.add(one.label)
    return tuple(sorted(labels - {""}))


def read_shard(container: Container, settings: DataSettings) -> Iterator[Raw | Broken]:
    """Reads a shard to its end or to the first damage; nothing is skipped.

    Yields:
        `Raw` a record; at last one `Broken` with record and offset if the shard is damaged. A record without image
        has no bytes, one without a class the empty label.
    """
    offset = position = 0
    column = Grouping.of(settings.group).column
    try:
        with storage.opened(container.uri) as opened:
            for position, record in enumerate(tfrecords.records(opened)):
                import tensorflow as tf  # Which takes seconds; a file of something else is refused before.

                example = tf.train.Example.FromString(record)
                yield _raw(container, position, example.features.feature, settings, column)
                offset += len(record) + 16  # Length, its checksum, and the payload's checksum.
                position += 1
    except Exception as error:  # zlib, gzip, fsspec, protobuf and the checksums each raise their own.
        yield Broken(container.uri, f"record {position} at byte {offset}: {str(error)[:200]}")


def _raw(container: Container, position: int, values: Any, settings: DataSettings, column: str) -> Raw:
    image: Sequence[bytes] = values[settings.image_key].bytes_list.value if settings.image_key in values else ()
    label = _text(values[settings.label_key], settings.classes) if settings.label_key in values else ""
    group = _text(values[column], ()) if column in values else ""
    return Raw(f"{container.uri}#{position}", label, None, position, image[0] if len(image) == 1 else b"", group)


def _text(value: Any, names: tuple[str, ...]) -> str:
    """A feature's one value as text; empty where it has not one. A number is the position of a name, or itself."""
    if len(value.bytes_list.value) == 1:
        return str(value.bytes_list.value[0].decode("utf-8", "surrogateescape"))
    if len(value.int64_list.value) == 1:
        index = value.int64_list.value[0]
        return names[index] if 0 <= index < len(names) else str(index)
    return ""
