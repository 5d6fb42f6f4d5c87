"""Ingest as Beam steps.

Two passes over the source instead of one: the first decodes and keeps a few hundred bytes a picture, on which
duplicates are settled; the second reads the encoded bytes again and writes them. A single pass would shuffle the
pictures themselves, which the in-memory runner holds all at once.
"""

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from components.ingest import report
from components.ingest.grouping import settle
from components.ingest.items import Broken, Container, Listing, Measured, Raw, Reject
from components.ingest.settings import DataSettings
from components.ingest.sources import read_container

_FILES_PER_SHARD: Final = 500
_MAX_SHARDS: Final = 256
REJECTS: Final = "rejects"
BROKEN: Final = "broken"
COUNTS: Final = "counts"


class _Measure(beam.DoFn):
    def __init__(self, settings_json: str) -> None:
        self._settings_json = settings_json

    def setup(self) -> None:
        from components.ingest.record import Inspector

        self._settings = DataSettings.model_validate_json(self._settings_json)
        self._inspector = Inspector(self._settings)

    def process(self, container: Container) -> Iterator[Any]:
        for one in read_container(container, self._settings):
            if isinstance(one, Broken):
                yield TaggedOutput(BROKEN, one)
                return
            yield TaggedOutput(COUNTS, ((report.READ, "", ""), 1))
            measured = self._inspector.inspect(one, container) if isinstance(one, Raw) else one
            yield TaggedOutput(REJECTS, measured) if isinstance(measured, Reject) else measured


class _Settle(beam.DoFn):
    def __init__(self, eval_fraction: float, stop_fraction: float, num_shards: int) -> None:
        self._fractions, self._num_shards = (eval_fraction, stop_fraction), num_shards

    def process(self, group: tuple[str, Iterable[Measured]]) -> Iterator[Any]:
        settled = settle(list(group[1]), *self._fractions)
        for measured, side in settled.kept:
            yield shard_of(measured, self._num_shards), (measured, side)
            yield TaggedOutput(COUNTS, ((report.KEPT, side, measured.label), 1))
        for reject in settled.rejects:
            yield TaggedOutput(REJECTS, reject)
        if settled.num_duplicates > 0:
            yield TaggedOutput(COUNTS, ((report.DUPLICATE, "", ""), settled.num_duplicates))


class _Write(beam.DoFn):
    """Writes one shard of every split, in an order that follows from the pictures alone."""

    def __init__(self, settings_json: str, split_uris: Mapping[str, str], num_shards: int) -> None:
        self._settings_json, self._split_uris, self._num_shards = settings_json, split_uris, num_shards

    def setup(self) -> None:
        self._settings = DataSettings.model_validate_json(self._settings_json)

    def process(self, group: tuple[int, Iterable[tuple[Measured, str]]]) -> Iterator[Any]:
        from components.ingest.record import build_example
        from components.ingest.writing import ShardWriter

        shard, kept = group
        with ShardWriter(self._split_uris, shard, self._num_shards) as writer:
            for container, wanted in in_order(kept):
                for one in read_container(container, self._settings):
                    if isinstance(one, Raw) and one.position in wanted:
                        measured, side = wanted[one.position]
                        writer.write(side, build_example(measured, one.data).SerializeToString(deterministic=True))
                        yield (report.WRITTEN, side, ""), 1


def _num_shards(containers: Collection[Container]) -> int:
    """As many as there are files that hold many images, or one for so many image files."""
    own_files = sum(one.kind == "file" for one in containers)
    return min(_MAX_SHARDS, math.ceil(own_files / _FILES_PER_SHARD) + len(containers) - own_files)


def shard_of(measured: Measured, num_shards: int) -> int:
    """Chooses a picture's shard; all pictures of a file that holds many go to one, so that it is read once."""
    own_file = measured.container.kind == "file"
    key = measured.content_hash if own_file else hashlib.sha256(measured.container.key.encode()).hexdigest()
    return int(key[:15], 16) % num_shards


def in_order(
    kept: Iterable[tuple[Measured, str]],
) -> Iterator[tuple[Container, dict[int, tuple[Measured, str]]]]:
    """Groups a shard's pictures by container, in an order that no worker's timing changes.

    Content hashes mix the classes, and do not depend on where the data lie.

    Yields:
        A container, and its kept pictures by position.
    """
    first: dict[str, tuple[str, str]] = {}
    groups: dict[str, dict[int, tuple[Measured, str]]] = {}
    for measured, side in kept:
        key = measured.container.key
        groups.setdefault(key, {})[measured.position] = (measured, side)
        candidate = (measured.content_hash, measured.uri)
        first[key] = min(first.get(key, candidate), candidate)
    for key in sorted(groups, key=first.__getitem__):
        yield next(iter(groups[key].values()))[0].container, groups[key]


def mixed(containers: Iterable[Container]) -> list[Container]:
    """Orders containers by a hash of their address, so that classes are mixed in the output, the same way each time."""
    return sorted(containers, key=lambda one: hashlib.sha256(one.key.encode()).digest())


def ingest(
    pipeline: beam.Pipeline,
    listing: Listing,
    settings: DataSettings,
    split_uris: Mapping[str, str],
    parts_uri: str,
) -> None:
    """Adds the steps from a listing to written examples.

    Args:
        pipeline: An empty Beam pipeline.
        listing: What to read.
        settings: How.
        split_uris: "train", "stop" and "eval" -> folder for the examples, gzip TFRecord.
        parts_uri: Folder for JSON lines: `rejects`, `broken` and `counts`, in no order.
    """
    settings_json = settings.model_dump_json()
    num_shards = _num_shards(listing.containers)
    measured = (
        pipeline
        | "Containers" >> beam.Create(mixed(listing.containers), reshuffle=True)
        | "Measure" >> beam.ParDo(_Measure(settings_json)).with_outputs(REJECTS, BROKEN, COUNTS, main="measured")
    )
    settled = (
        measured["measured"]
        | "KeyByContent" >> beam.Map(lambda one: (one.content_hash, one))
        | "SameContent" >> beam.GroupByKey()
        | "Settle"
        >> beam.ParDo(_Settle(settings.eval_fraction, settings.stop_fraction, num_shards)).with_outputs(
            REJECTS, COUNTS, main="settled"
        )
    )
    written = (
        settled["settled"]
        | "SameShard" >> beam.GroupByKey()
        | "Write" >> beam.ParDo(_Write(settings_json, dict(split_uris), num_shards))
    )
    _write_lines((measured[REJECTS], settled[REJECTS]), REJECTS, parts_uri)
    _write_lines((measured[BROKEN],), BROKEN, parts_uri)
    _write_counts((measured[COUNTS], settled[COUNTS], written), parts_uri)


def _write_lines(parts: tuple[beam.PCollection, ...], name: str, parts_uri: str) -> None:
    _ = (
        parts
        | f"Gather[{name}]" >> beam.Flatten()
        | f"ToJson[{name}]" >> beam.Map(lambda one: json.dumps({key: getattr(one, key) for key in one.__slots__}))
        | f"Write[{name}]" >> beam.io.WriteToText(f"{parts_uri}/{name}", num_shards=1)
    )


def _write_counts(parts: tuple[beam.PCollection, ...], parts_uri: str) -> None:
    _ = (
        parts
        | "Gather[counts]" >> beam.Flatten()
        | "Count" >> beam.CombinePerKey(sum)  # type: ignore[arg-type]  # Beam wraps any callable.
        | "ToJson[counts]" >> beam.Map(json.dumps)
        | "Write[counts]" >> beam.io.WriteToText(f"{parts_uri}/{COUNTS}", num_shards=1)
    )
