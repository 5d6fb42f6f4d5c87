"""Ingest as Beam steps.

Two passes over the source instead of one: the first decodes and keeps a few hundred bytes a picture, on which
duplicates are settled; the second reads the encoded bytes again and writes them. A single pass would shuffle the
pictures themselves, which the in-memory runner holds all at once.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from components.ingest import report
from components.ingest.grouping import settle
from components.ingest.items import Broken, Container, Listing, Measured, Raw, Reject
from components.ingest.settings import DataSettings
from components.ingest.sources import read_container
from schemas import features

# Examples as TFX names them; any other prefix is not found by some readers.
_FILE_PREFIX: Final = "data_tfrecord"
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
    def __init__(self, eval_fraction: float) -> None:
        self._eval_fraction = eval_fraction

    def process(self, group: tuple[str, Iterable[Measured]]) -> Iterator[Any]:
        settled = settle(list(group[1]), self._eval_fraction)
        for measured, side in settled.kept:
            yield measured.container.key, (measured, side)
            yield TaggedOutput(COUNTS, ((report.KEPT, side, measured.label), 1))
        for reject in settled.rejects:
            yield TaggedOutput(REJECTS, reject)
        if settled.num_duplicates > 0:
            yield TaggedOutput(COUNTS, ((report.DUPLICATE, "", ""), settled.num_duplicates))


class _Build(beam.DoFn):
    def __init__(self, settings_json: str) -> None:
        self._settings_json = settings_json

    def setup(self) -> None:
        self._settings = DataSettings.model_validate_json(self._settings_json)

    def process(self, group: tuple[str, Iterable[tuple[Measured, str]]]) -> Iterator[Any]:
        from components.ingest.record import build_example

        kept = {measured.position: (measured, side) for measured, side in group[1]}
        container = next(iter(kept.values()))[0].container
        for one in read_container(container, self._settings):
            if isinstance(one, Raw) and one.position in kept:
                measured, side = kept[one.position]
                yield TaggedOutput(side, build_example(measured, one.data).SerializeToString(deterministic=True))
                yield TaggedOutput(COUNTS, ((report.WRITTEN, side, ""), 1))


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
        split_uris: "train" and "eval" -> folder for the examples, gzip TFRecord.
        parts_uri: Folder for JSON lines: `rejects`, `broken` and `counts`, in no order.
    """
    settings_json = settings.model_dump_json()
    measured = (
        pipeline
        | "Containers" >> beam.Create(mixed(listing.containers), reshuffle=True)
        | "Measure" >> beam.ParDo(_Measure(settings_json)).with_outputs(REJECTS, BROKEN, COUNTS, main="measured")
    )
    settled = (
        measured["measured"]
        | "KeyByContent" >> beam.Map(lambda one: (one.content_hash, one))
        | "SameContent" >> beam.GroupByKey()
        | "Settle" >> beam.ParDo(_Settle(settings.eval_fraction)).with_outputs(REJECTS, COUNTS, main="settled")
    )
    built = (
        settled["settled"]
        | "SameContainer" >> beam.GroupByKey()
        | "Build" >> beam.ParDo(_Build(settings_json)).with_outputs(*features.SPLITS, COUNTS)
    )
    for split in features.SPLITS:
        _write_examples(built[split], split, split_uris[split])
    _write_lines((measured[REJECTS], settled[REJECTS]), REJECTS, parts_uri)
    _write_lines((measured[BROKEN],), BROKEN, parts_uri)
    _write_counts((measured[COUNTS], settled[COUNTS], built[COUNTS]), parts_uri)


def _write_examples(examples: beam.PCollection, split: str, uri: str) -> None:
    # No shuffle and no fixed number of shards: either would gather every picture in one place.
    _ = examples | f"Write[{split}]" >> beam.io.WriteToTFRecord(f"{uri}/{_FILE_PREFIX}", file_name_suffix=".gz")


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
