"""The first step of a scheduled run: is there anything that the last verdict did not see?

    python -m pipeline.runners.kubeflow.news --executor-input JSON

It lists the data as ingest will, and reads no picture. Where data, configuration and code are those of the last verdict
that stands, it says so, and nothing after it trains.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as specs

from components.errors import DataRefused
from components.ingest.sources import list_source
from components.ingest.spans import has_spans
from components.registry.opening import existing_registry
from pipeline.code_hash import code_hash
from pipeline.runners.console import run_safely
from pipeline.runners.kubeflow.branching import AGAIN, MESSAGE, NEW, NO, YES
from pipeline.runners.kubeflow.entrypoint import REFUSED, write_whole
from pipeline.runners.kubeflow.facts import COMPILED, RUN_PARAMETER, Facts, plan_of, told
from pipeline.runners.kubeflow.telling import tell_of_nothing_new
from pipeline.runners.kubeflow.verdicts import LastVerdict, last_verdict
from pipeline.runners.outside import missing
from pipeline.runners.results import nothing_new, stands


@dataclass(frozen=True)
class News:
    """What was found."""

    is_new: bool
    message: str
    """One sentence."""
    spans: tuple[int, ...] = ()
    """That were looked at."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Looks; returns 0, or 2 where data or parameters are refused. Whatever else goes wrong is raised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor-input", required=True, help="the launcher's executor input")
    given = parser.parse_args(arguments)
    message = json_format.Parse(given.executor_input, specs.ExecutorInput(), ignore_unknown_fields=True)
    values = {name: json_format.MessageToDict(one) for name, one in message.inputs.parameter_values.items()}
    try:
        news = look(Facts.read(os.environ[COMPILED]), values)
    except DataRefused as error:
        for line in str(error).splitlines():
            print(f"frostgate: {line}", file=sys.stderr)
        return REFUSED
    print(news.message, flush=True)
    found = {NEW: YES if news.is_new else NO, MESSAGE: news.message}
    write_whole(Path(message.outputs.output_file), json.dumps({"parameterValues": found}))
    if not news.is_new:
        for sentence in tell_of_nothing_new(news.spans):
            print(f"frostgate: {sentence}", file=sys.stderr)
    return 0


def look(facts: Facts, values: Mapping[str, Any]) -> News:
    """Finds out whether a run has anything new.

    Args:
        facts: The compiled pipeline's.
        values: The step's input parameters.

    Raises:
        DataRefused: The data or a run parameter will not do.
        RegistryUnavailable: The registry cannot be reached within bounded retries, so nobody knows.
    """
    given = {name.removeprefix(RUN_PARAMETER): value for name, value in values.items() if name != AGAIN}
    config = told(facts, given)
    if values[AGAIN]:
        return News(True, f"{AGAIN} is true: the run goes on, whatever is new.")
    if not has_spans(config.data.uri):
        return News(True, f"{config.data.uri} has no spans, and is run every time.")
    listing = list_source(config.data)
    plan = plan_of(facts, config, listing.fingerprint, code_hash)
    registry = existing_registry(plan.registry)
    versions = registry.versions() if registry else []
    last = last_verdict(versions)
    gone = None
    if last and last.status == "pushed":
        version = next(one for one in versions if one.version == last.version)
        gone = missing(version, versions, plan.destination)
    return judged(listing.spans, plan.run_key, last, gone)


def judged(spans: tuple[int, ...], run_key: str, last: LastVerdict | None, gone: str | None = None) -> News:
    """Compares a run with the last verdict.

    Args:
        spans: That the run would read.
        run_key: What it would be made of.
        last: None where there is none.
        gone: What of the model that it pushed is no longer there; None where all is.
    """
    if gone:
        return News(True, f"{gone} The run goes on.", spans)
    if last and last.run_key == run_key and stands(last.status, last.decision):
        how = f"{AGAIN}=true"
        return News(False, nothing_new(spans, last.run_id, last.status, how), spans)
    return News(True, f"No verdict stands on span {', '.join(map(str, spans))} as it is now: the run goes on.", spans)


if __name__ == "__main__":
    run_safely(main)
