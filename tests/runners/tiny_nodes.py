"""A pipeline with the nodes that a run's outcome is read from, each a few lines; `Start` does what it is told to."""

import contextlib
import ctypes
import json
import os
import subprocess
import time
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.types.standard_artifacts import PushedModel, String

from components.artifacts import Registration, ServingReport, Verdict
from components.errors import ArtifactChanged, DataRefused


@component
def Start(said: OutputArtifact[String], witness: Parameter[str], behaviour: Parameter[str]) -> None:
    """Leaves a line in the witness, is noisy, and behaves as asked."""
    with open(witness, "a") as file:
        file.write("Start\n")
    print("noise from Python")
    os.write(2, b"noise from a library\n")
    Path(f"{witness}.started").touch()
    BEHAVIOURS[behaviour]()
    said.write(behaviour)


@component
def PushGate(said: InputArtifact[String], verdict: OutputArtifact[Verdict], decision: Parameter[str]) -> None:
    """Decides what it is told to."""
    told = {"decision": decision, "sentence": f"It is a {decision}.", "codes": [], "checks": []}
    _write(verdict.uri, "verdict.json", told)


@component
def ServingCheck(
    verdict: InputArtifact[Verdict], report: OutputArtifact[ServingReport], serves: Parameter[int]
) -> None:
    """Finds what it is told to."""
    findings = [] if serves else ["It answered nonsense."]
    _write(report.uri, "serving.json", {"passed": bool(serves), "findings": findings})


@component
def Pusher(
    report: InputArtifact[ServingReport], pushed_model: OutputArtifact[PushedModel], version: Parameter[str]
) -> None:
    """Claims to have pushed a version; none when it is empty. Refuses a report that somebody marked as changed."""
    if Path(report.uri, "changed").exists():
        raise ArtifactChanged(report.uri, "serving.json must be what was judged")
    _write(
        pushed_model.uri, "pushed.json", {"pushed": int(bool(version)), "version": version, "fingerprint": FINGERPRINT}
    )


@component
def RegistryPush(pushed_model: InputArtifact[PushedModel], registration: OutputArtifact[Registration]) -> None:
    """Claims to have registered version 5."""
    BEHAVIOURS["registry"]()
    _write(registration.uri, "registration.json", {"version": "5"})


def pipeline(
    root: Path, witness: Path, behaviour: str = "pass", decision: str = "PASS", serves: bool = True, version: str = "9"
) -> Pipeline:
    """Builds the pipeline below a folder; a model that is not to be pushed is not."""
    start = Start(witness=str(witness), behaviour=behaviour)
    gate = PushGate(said=start.outputs["said"], decision=decision)
    check = ServingCheck(verdict=gate.outputs["verdict"], serves=int(serves))
    pushes = decision == "PASS" and serves
    pusher = Pusher(report=check.outputs["report"], version=version if pushes else "")
    registry = RegistryPush(pushed_model=pusher.outputs["pushed_model"])
    store = metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite"))
    return Pipeline(
        pipeline_name="tiny",
        pipeline_root=str(root / "artifacts"),
        metadata_connection_config=store,
        components=[start, gate, check, pusher, registry],
        enable_cache=True,
    )


def _write(folder: str, name: str, content: dict) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, name).write_text(json.dumps(content))


def _refuse() -> None:
    try:
        raise DataRefused("The data were refused:\n- one reason\n- another")
    except DataRefused as error:
        raise RuntimeError("wrapped by a library") from error


def _crash() -> None:
    raise ZeroDivisionError("nothing to divide by\nand a second line")


def _crash_silently() -> None:
    raise ZeroDivisionError


def _interrupt() -> None:
    raise KeyboardInterrupt


def _fill_the_disk() -> None:
    raise RuntimeError("IO error: database or disk is full")


def _swallow() -> None:
    """Sits in native code and, as callbacks do, loses the exception."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(KeyboardInterrupt):
            ctypes.CDLL(None).usleep(500_000)


def _wrap_the_interruption() -> None:
    try:
        time.sleep(120)
    except KeyboardInterrupt as error:
        raise RuntimeError("a bundle failed") from error


# Of what the Pusher claims to have pushed.
FINGERPRINT = "f" * 64
BEHAVIOURS = {
    "registry": lambda: None,
    "pass": lambda: None,
    "refuse": _refuse,
    "crash": _crash,
    "silent crash": _crash_silently,
    "full disk": _fill_the_disk,
    "interrupt": _interrupt,
    "slow": lambda: time.sleep(120),
    "child": lambda: subprocess.run(["sleep", "120"], check=True),
    "swallow": _swallow,
    "wrap": _wrap_the_interruption,
}
