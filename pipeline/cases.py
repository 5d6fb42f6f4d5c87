"""Running the cases: every model as its author built it, and as it should have been, through the whole pipeline."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.cases import pictures
from components.cases.catalogue import CASES, Case, Variant
from components.errors import DataRefused
from components.ingest.embedded import write_once
from pipeline.config import Config, load
from pipeline.runners.results import RunSummary


@dataclass(frozen=True)
class Finished:
    """One variant of a case, judged."""

    case: str
    variant: Variant
    summary: RunSummary

    @property
    def decision(self) -> str | None:
        """PASS, BLOCK or HOLD; None where the run did not get so far."""
        return self.summary.verdict["decision"] if self.summary.verdict else None

    @property
    def causes(self) -> tuple[str, ...]:
        """Named causes, strongest first."""
        diagnosis = (self.summary.verdict or {}).get("diagnosis") or {}
        return tuple(cause["id"] for cause in diagnosis.get("causes", ()))

    @property
    def as_expected(self) -> bool:
        """Whether verdict, cause and push are those that the case is there to show."""
        expected = self.variant
        caused = not expected.causes or (bool(self.causes) and self.causes[0] in expected.causes)
        is_pushed = self.summary.status == "pushed"
        return self.decision in expected.decisions and caused and is_pushed == (self.decision == "PASS")


def chosen(ids: Sequence[str]) -> tuple[Case, ...]:
    """Returns the named cases, all for none, in the catalogue's order.

    Raises:
        DataRefused: There is no such case.
    """
    known = [case.id for case in CASES]
    if missing := [one for one in ids if one not in known]:
        raise DataRefused(f"There is no case {missing[0]}; choose from {', '.join(known)}.")
    return tuple(case for case in CASES if not ids or case.id in ids)


def configuration(case: Case, variant: Variant, output: str, real_data: bool = False) -> Config:
    """Returns what a variant is run with.

    Args:
        case: From the catalogue.
        variant: One of its variants.
        output: Folder that receives everything.
        real_data: Whether to take the data set of the original report, where there is one.
    """
    return load(None, _told(case, variant, output, real_data))


def run_variant(case: Case, variant: Variant, output: str, real_data: bool = False) -> Finished:
    """Draws the pictures unless they are there, and runs the pipeline on them; its progress goes to stderr.

    In a process of its own, for TensorFlow keeps something of every model that was built: thirty runs would need 10 GB.

    Raises:
        ChildProcessError: It ended without a summary.
    """
    config = configuration(case, variant, output, real_data)
    if not (real_data and case.real_data):
        write_once(variant.files, Path(config.data.uri))
    command = [
        sys.executable,
        "-m",
        "pipeline.cli.main",
        "run",
        "--json",
        *(f"--set={one}" for one in _told(case, variant, output, real_data)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        answer = _answer(child)
    if not answer:
        raise ChildProcessError(child.returncode, f"ended with {child.returncode} and no summary", config.name)
    return Finished(case.id, variant, RunSummary.model_validate_json(answer))


def _answer(child: subprocess.Popen[bytes]) -> bytes:
    """What the run says at its end, also when it is asked to stop."""
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        while True:
            # From a terminal Ctrl-C reaches the run as well, which then ends by itself.
            with contextlib.suppress(KeyboardInterrupt):
                return child.communicate()[0]
    finally:
        signal.signal(signal.SIGTERM, before)


def _told(case: Case, variant: Variant, output: str, real_data: bool) -> list[str]:
    uri = case.real_data if real_data and case.real_data else str(_folder(variant.files, output))
    name = variant.pipeline or f"{case.id}-{variant.name}"
    return [f"output={output}", f"name={name}", f"data.uri={uri}", *variant.settings]


def _folder(files: Callable[[], pictures.Files], output: str) -> Path:
    return Path(output).absolute() / "cache" / "cases" / files.__name__
