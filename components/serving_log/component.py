"""The node that brings a log of requests, and what to compare it with, into a pipeline."""

import dataclasses
import json
import os
from collections.abc import Iterable
from typing import Final

import tensorflow as tf
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples

from components.artifacts import Baseline, ServingLogReport
from components.foreign import json_text
from components.serving_log.days import files_of, window
from components.serving_log.embeddings import Distances
from components.serving_log.reference import FOLDER, read_examples, read_mean
from components.serving_log.refusals import no_champion, no_reference
from components.serving_log.requests import Counts, comparable, requests
from schemas import features

REPORT_FILE: Final = "log.json"


@component
def ServingLogGen(
    baseline: InputArtifact[Baseline],
    examples: OutputArtifact[Examples],
    report: OutputArtifact[ServingLogReport],
    uri: Parameter[str],
    until: Parameter[str],
    num_days: Parameter[int],
    input_fingerprint: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Reads a window of the log and the champion's reference.

    Args:
        baseline: The champion, its reference beside it.
        examples: Splits `serving` and `reference`: what is compared and nothing else.
        report: `log.json`.
        uri: The log's folder.
        until: The window's last day, YYYY-MM-DD; empty: today, UTC.
        num_days: The window's length.
        input_fingerprint: Of the window's files; keys the cache.
        code_hash: Keys the cache by our code; not read.

    Raises:
        DataRefused: There is no champion, it has no reference, or the log's folder does not exist.
    """
    with fileio.open(os.path.join(baseline.uri, "baseline.json")) as opened:
        champion = json_text.parse(opened.read())
    reference = os.path.join(baseline.uri, FOLDER)
    _refuse_without_reference(champion, reference)
    days = window(until, num_days)
    counts = Counts(uri=uri, days=[day.isoformat() for day in days], champion=champion["version"])
    mean = read_mean(reference)
    distances = None if mean is None else Distances(os.path.join(baseline.uri, "Format-Serving"), mean)
    asked = requests(files_of(uri, days)[1], champion["weights_fingerprint"] or "", counts)
    examples.split_names = artifact_utils.encode_split_names([features.SERVING, features.REFERENCE])
    _write(examples, features.SERVING, comparable(asked, distances, counts))
    _write(examples, features.REFERENCE, read_examples(reference))
    with fileio.open(os.path.join(report.uri, REPORT_FILE), "w") as opened:
        opened.write(json.dumps(dataclasses.asdict(counts), indent=2))


def _refuse_without_reference(champion: dict, reference: str) -> None:
    if champion["version"] is None:
        raise no_champion(champion["model_name"])
    if not any(read_examples(reference)):
        raise no_reference(champion["version"], champion["model_name"])


def _write(artifact: Examples, split: str, found: Iterable[tf.train.Example]) -> None:
    folder = artifact_utils.get_split_uri([artifact], split)
    fileio.makedirs(folder)
    with tf.io.TFRecordWriter(os.path.join(folder, "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for example in found:
            writer.write(example.SerializeToString())
