"""Running the cases: every model as its author built it, and as it should have been, through the whole pipeline."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.cases import cifar
from components.cases.catalogue import CASES, Case, Variant
from components.errors import DataRefused
from components.ingest.embedded import write_once
from pipeline.config import Config, load
from pipeline.config_sources import PREFIX
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


def chosen(ids: Sequence[str], of_cifar10: bool = False) -> tuple[Case, ...]:
    """Returns the named cases, all for none, in the catalogue's order.

    Args:
        ids: The cases' names.
        of_cifar10: Whether they are to run on CIFAR-10 itself.

    Raises:
        DataRefused: There is no such case, or it is about other pictures.
    """
    known = [case.id for case in CASES]
    if missing := [one for one in ids if one not in known]:
        raise DataRefused(f"There is no case {missing[0]}; choose from {', '.join(known)}.")
    able = [case.id for case in CASES if case.of_cifar10 or not of_cifar10]
    if others := [one for one in ids if one not in able]:
        raise DataRefused(f"--data is for the cases {' and '.join(able)}; {others[0]} has drawn pictures alone.")
    return tuple(case for case in CASES if case.id in (ids or able))


def drawn(place: Path, output: str) -> cifar.Drawn:
    """Draws from CIFAR-10 into the output's cache.

    Args:
        place: The pictures, as `cifar.draw` takes them.
        output: Folder that receives everything.

    Raises:
        DataRefused: They are not what is expected.
    """
    return cifar.draw(place, _folder(output))


def configuration(case: Case, variant: Variant, output: str, data: cifar.Drawn | None = None) -> Config:
    """Returns what a variant is run with in this environment.

    Args:
        case: From the catalogue.
        variant: One of its variants.
        output: Folder that receives everything.
        data: Pictures of CIFAR-10 in place of the variant's own.
    """
    return load(None, _told(case, variant, output, data), os.environ)


def run_variant(case: Case, variant: Variant, output: str, data: cifar.Drawn | None = None) -> Finished:
    """Draws the pictures unless they are there, and runs the pipeline on them; its progress goes to stderr.

    In a process of its own, for TensorFlow keeps something of every model that was built: thirty runs would need 10 GB.

    Raises:
        ChildProcessError: It ended without a summary.
    """
    config = configuration(case, variant, output, data)
    if data is None:
        write_once(variant.files, Path(config.data.uri))
    command = [
        sys.executable,
        "-m",
        "pipeline.cli.main",
        "run",
        "--json",
        *(f"--set={one}" for one in _told(case, variant, output, data)),
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


def _told(case: Case, variant: Variant, output: str, data: cifar.Drawn | None) -> list[str]:
    name = variant.pipeline or f"{case.id}-{variant.name}"
    if data is None:
        own = [f"name={name}", f"data.uri={_folder(output) / variant.files.__name__}"]
    else:
        # A pipeline has one data set: a champion of drawn pictures would be the baseline of one of photographs.
        own = [f"name={name}-cifar10", f"data.uri={data.target}", f"backbone.pretrain.data_uri={data.source}"]
        # Whoever has weights of a nearer source task names them, and their network, in the environment.
        own += [setting for setting in cifar.SETTINGS if _variable(setting) not in os.environ]
    return [f"output={output}", *own, *variant.settings]


def _variable(setting: str) -> str:
    return PREFIX + setting.partition("=")[0].upper().replace(".", "__")


def _folder(output: str) -> Path:
    return Path(output).absolute() / "cache" / "cases"
