"""The ingest node's work: list, run Beam, check that the counts add up, write the report."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.errors import DataRefused
from components.foreign import json_text
from components.ingest import embedded, steps
from components.ingest.items import Listing, Reject
from components.ingest.report import READ, REJECTS_FILE, REPORT_FILE, Report, build_report, sorted_rejects
from components.ingest.settings import DataSettings
from components.ingest.sources import classes_of, list_source
from components.ingest.writing import write_empty_shard
from schemas import features

EXAMPLES = "examples"
REPORT = "report"
FINGERPRINT = "input_fingerprint"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Turns a source of labelled images into examples and a report."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the ingest.

        Args:
            input_dict: Empty.
            output_dict: `examples` (Examples) and `report` (IngestReport), one artifact each.
            exec_properties: `settings` (JSON of DataSettings), `classes` (JSON list; empty: discovered),
                `input_fingerprint` (empty: not compared), `code_hash` (part of the cache key only).

        Raises:
            DataRefused: The source is bad, changed since the pipeline was built, is damaged, or leaves a split empty.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = _resolved(DataSettings.model_validate_json(exec_properties["settings"]))
        listing = list_source(settings)
        _refuse_changed(settings.uri, listing.fingerprint, exec_properties[FINGERPRINT])
        classes = tuple(json_text.parse(exec_properties["classes"])) or classes_of(listing, settings)

        examples = artifact_utils.get_single_instance(output_dict[EXAMPLES])
        described = artifact_utils.get_single_instance(output_dict[REPORT])
        examples.split_names = artifact_utils.encode_split_names(list(features.SPLITS))
        examples.span = max(listing.spans, default=settings.span)
        for artifact in (examples, described):
            artifact.set_string_custom_property(FINGERPRINT, listing.fingerprint)

        rejects, counts = self._run_beam(listing, settings, examples, os.path.join(described.uri, "parts"))
        drawn = None if listing.has_splits else settings.eval_fraction
        report = build_report(settings.uri, listing.fingerprint, listing.spans, classes, counts, rejects, drawn)
        _refuse_empty_splits(report, settings)
        if not report.by_split[features.STOP]:
            # The steps that read every split need a file in each.
            write_empty_shard(artifact_utils.get_split_uri([examples], features.STOP))
        _write_report(report, rejects, described.uri)

    def _run_beam(
        self, listing: Listing, settings: DataSettings, examples: types.Artifact, parts_uri: str
    ) -> tuple[list[Reject], dict[tuple[str, str, str], int]]:
        split_uris = {split: artifact_utils.get_split_uri([examples], split) for split in features.SPLITS}
        fileio.makedirs(parts_uri)
        with self._make_beam_pipeline() as pipeline:
            steps.ingest(pipeline, listing, settings, split_uris, parts_uri)
        _refuse_broken(_lines(parts_uri, steps.BROKEN))
        rejects = [*listing.rejects, *(Reject(**line) for line in _lines(parts_uri, steps.REJECTS))]
        counts = {(key[0], key[1], key[2]): number for key, number in _lines(parts_uri, steps.COUNTS)}
        fileio.rmtree(parts_uri)
        # What the listing refused was never opened, but it was an input.
        read = (READ, "", "")
        counts[read] = counts.get(read, 0) + len(listing.rejects)
        return sorted_rejects(rejects), counts


def _resolved(settings: DataSettings) -> DataSettings:
    if not embedded.is_embedded(settings.uri):
        return settings
    folder = embedded.materialise(settings.uri, os.path.join(tempfile.gettempdir(), "frostgate-embedded"))
    return settings.model_copy(update={"uri": folder})


def _refuse_changed(uri: str, found: str, expected: str) -> None:
    # The pipeline's cache is keyed by the expected one; other data under that key would be a stale hit later.
    if expected and found != expected:
        raise DataRefused(f"The data at {uri} changed after this run was started; start it again.")


def _refuse_broken(broken: Sequence[Mapping[str, str]]) -> None:
    if broken:
        first = min(broken, key=lambda one: one["uri"])
        raise DataRefused(
            f"{len(broken)} damaged file(s), the first is {first['uri']} ({first['detail']}); write it again."
        )


def _refuse_empty_splits(report: Report, settings: DataSettings) -> None:
    for split in features.JUDGED:
        if not report.by_split[split]:
            reasons = ", ".join(f"{number} {reason}" for reason, number in report.rejected_by_reason.items())
            if report.num_read and report.rejected_by_reason.get("missing_group") == report.num_read:
                raise DataRefused(
                    f"data.group must say what each image of {report.uri} belongs to; {settings.group} finds nothing "
                    f"in any of {report.num_read}. Correct it."
                )
            grouped = f", all of a group in one split ({settings.group})" if settings.group else ""
            raise DataRefused(
                f"No image is left for the {split} split of {report.uri}: {report.num_read} read, "
                f"{report.num_rejected} rejected{f' ({reasons})' if reasons else ''}{grouped}; add images or change "
                "data.eval_fraction or data.stop_fraction."
            )


def _lines(parts_uri: str, name: str) -> list[Any]:
    lines: list[Any] = []
    for path in fileio.glob(os.path.join(parts_uri, f"{name}-*")):
        with fileio.open(path, "r") as opened:
            lines += [json_text.parse(line) for line in opened.read().splitlines()]
    return lines


def _write_report(report: Report, rejects: Sequence[Reject], uri: str) -> None:
    lines = [json.dumps({"uri": one.uri, "reason": one.reason, "detail": one.detail}) for one in rejects]
    with fileio.open(os.path.join(uri, REJECTS_FILE), "w") as opened:
        opened.write("".join(f"{line}\n" for line in lines))
    with fileio.open(os.path.join(uri, REPORT_FILE), "w") as opened:
        opened.write(report.model_dump_json(indent=2))
