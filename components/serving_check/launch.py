"""Starts the fresh process, waits no longer than told, and reads what it left."""

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from components.errors import safe
from components.serving_check.requests import LARGE_BATCH, Request

_PROBE: Final = "components.serving_check.probe"
_STDERR_CHARACTERS: Final = 600


@dataclass(frozen=True)
class ProbeRun:
    """What the fresh process said.

    Attributes:
        signature: `inputs` and `outputs` of serving_default, dtype by name; None if the export did not load.
        answers: The probe's answer by request name, as far as it came.
        milliseconds: Seen latencies by batch size.
        failure: How the process ended if not well, in one sentence with the end of its stderr; "" if well.
    """

    signature: Mapping[str, Mapping[str, str]] | None = None
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    milliseconds: Mapping[int, Sequence[float]] = field(default_factory=dict)
    failure: str = ""


def run_probe(
    model_dir: Path, requests: Sequence[Request], num_timed_requests: int, timeout_seconds: float
) -> ProbeRun:
    """Asks the export in a process that has nothing of this one but its import path.

    Args:
        model_dir: The SavedModel.
        requests: Sent in order; the first one's first picture is also what gets timed.
        num_timed_requests: Repetitions a batch size.
        timeout_seconds: The process is killed after this long.
    """
    with tempfile.TemporaryDirectory() as folder:
        plan, out, log = (Path(folder, name) for name in ("requests.json", "answers.jsonl", "stderr"))
        plan.write_text(json.dumps(_document(requests, num_timed_requests)))
        arguments = ["--model", model_dir.absolute(), "--requests", plan, "--out", out]
        command = [sys.executable, "-m", _PROBE, *map(str, arguments)]
        with log.open("wb") as stderr:
            try:
                # In its own folder: with -m, a file in the working directory could stand in for a module.
                done = subprocess.run(
                    command, stdout=stderr, stderr=stderr, cwd=folder, env=environment(), timeout=timeout_seconds
                )
                failure = describe_exit(done.returncode)
            except subprocess.TimeoutExpired:
                failure = f"the fresh process took longer than {timeout_seconds:g} seconds and was stopped"
        tail = safe(log.read_text(errors="replace")).strip()[-_STDERR_CHARACTERS:]
        lines = out.read_text().splitlines() if out.exists() else []
    return _read(lines, f"{failure}: {tail}" if failure and tail else failure)


def environment() -> dict[str, str]:
    """This process's environment, with its import path, without a GPU and without TensorFlow's chatter."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    # Under the local runner this process has taken the GPU's memory, and answers are compared on one kind of device.
    return {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def describe_exit(returncode: int) -> str:
    """A sentence on an exit status; "" for success; a signal's number is negative."""
    if returncode == 0:
        return ""
    manner = f"was killed by signal {-returncode}" if returncode < 0 else f"ended with status {returncode}"
    return f"the fresh process {manner}"


def _document(requests: Sequence[Request], num_timed_requests: int) -> dict[str, Any]:
    return {
        "requests": [{"name": one.name, "images": [_text(image) for image in one.images]} for one in requests],
        "timed": {
            "image": _text(requests[0].images[0]),
            "batch_sizes": [1, LARGE_BATCH],
            "repetitions": num_timed_requests,
        },
    }


def _text(contents: bytes) -> str:
    return base64.b64encode(contents).decode()


def _read(lines: Sequence[str], failure: str) -> ProbeRun:
    found = [document for document in map(_parse, lines) if document]
    return ProbeRun(
        signature=found[0] if found else None,
        answers={document["name"]: document for document in found if "name" in document},
        milliseconds={document["timed"]: document["milliseconds"] for document in found if "timed" in document},
        failure=failure,
    )


def _parse(line: str) -> dict[str, Any] | None:
    try:
        return json.loads(line)
    except ValueError:
        # The line that a dying process did not finish; the missing answer is a finding.
        return None
