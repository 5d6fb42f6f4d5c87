"""What a step's container runs: one TFX executor, on the files that the backend's launcher put beside it.

    python -m pipeline.runners.kubeflow.entrypoint --executor_class_path CLASS --json_serialized_invocation_args JSON
        --json_serialized_inputs_spec_args JSON --node ID --outputs KEY ... [--same KEY OTHER]
        [Beam's flags]

The arguments are those that TFX's compiler writes for its own entrypoint, which opens remote addresses itself and knows
neither `minio://` nor artifacts without a type, and what our compiler adds to them.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pipeline.runners.kubeflow.step import Step

# Before anything imports TensorFlow.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from components.errors import ArtifactChanged, DataRefused
from components.garbage import collect_seldom
from pipeline.runners.console import safe_output

FAILED: Final = 1
REFUSED: Final = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the step and ends the process: 0 done, 2 data or configuration refused, 1 any other failure."""
    collect_seldom()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    told, beam_args = parsed(arguments)
    with safe_output():
        code = _guarded(told, beam_args)
    sys.stdout.flush()
    sys.stderr.flush()
    # Destructors of native libraries have crashed at interpreter shutdown and failed a step whose work was done.
    os._exit(code)


def parsed(arguments: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """Reads a container's arguments; what is left over is Beam's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor_class_path", required=True, help="package.module.Class of the TFX executor")
    parser.add_argument("--json_serialized_invocation_args", required=True, help="the launcher's executor input")
    parser.add_argument("--json_serialized_inputs_spec_args", required=True, help="the component's input definitions")
    parser.add_argument("--node", required=True, help="the node's name in the pipeline")
    parser.add_argument(
        "--outputs", nargs="+", required=True, metavar="KEY", help="output artifacts that the component declares"
    )
    parser.add_argument(
        "--same", nargs=2, action="append", default=[], metavar=("KEY", "OTHER"), help="an input that is another, too"
    )
    return parser.parse_known_args(arguments)


def step_of(told: argparse.Namespace) -> "Step":
    """Reads the step that a container's arguments describe."""
    from pipeline.runners.kubeflow.step import Step

    inputs_spec = told.json_serialized_inputs_spec_args
    return Step.read(told.node, told.json_serialized_invocation_args, inputs_spec, told.outputs, dict(told.same))


def _guarded(told: argparse.Namespace, beam_args: list[str]) -> int:
    try:
        _run(told, beam_args)
    except DataRefused as error:
        for line in str(error).splitlines():
            print(f"frostgate: {line}", file=sys.stderr)
        _refused(error)
        return REFUSED
    except ArtifactChanged as error:
        way_out = "Run once without the cache of the step that made it: kubeflow.steps.NAME.cache=false."
        print(f"frostgate: {error} {way_out}", file=sys.stderr)
        return FAILED
    except BaseException:
        traceback.print_exc()
        return FAILED
    return 0


def _run(told: argparse.Namespace, beam_args: list[str]) -> None:
    # TFX takes seconds to import; a missing argument is told before.
    from tfx.dsl.components.base import base_beam_executor, base_executor
    from tfx.orchestration.portable import outputs_utils
    from tfx.utils import import_utils

    from pipeline.runners import contents
    from pipeline.runners.kubeflow.facts import SCHEMA_BY
    from pipeline.runners.kubeflow.outcome import DECIDED_BY
    from pipeline.runners.kubeflow.verdicts import remember

    step = step_of(told)
    if step.facts and step.node_id == SCHEMA_BY:
        step.facts.write_schema()
    executor_class = import_utils.import_class_by_path(told.executor_class_path)
    with tempfile.TemporaryDirectory() as scratch:
        common: dict[str, Any] = {"tmp_dir": scratch, "unique_id": step.unique_id}
        if issubclass(executor_class, base_beam_executor.BaseBeamExecutor):
            context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=beam_args, **common)
        else:
            context = base_executor.BaseExecutor.Context(extra_flags=beam_args, **common)
        contents.check(step.inputs)
        executor_class(context).Do(step.inputs, step.outputs, step.exec_properties)
        contents.seal(step.outputs, names_files=False)
    if step.node_id == DECIDED_BY and step.facts:
        remember(step.facts, step.inputs, step.outputs, step.exec_properties, datetime.now(UTC))
    outputs_utils.tag_output_artifacts_with_version(step.outputs)
    write_whole(step.output_file, json.dumps(step.executor_output(), indent=1))
    from pipeline.runners.kubeflow.telling import tell_of_step

    tell(lambda: tell_of_step(step.node_id, step.inputs, step.outputs, step.told))


def _refused(error: DataRefused) -> None:
    from pipeline.runners.kubeflow.telling import tell_of_data

    tell(lambda: tell_of_data(error.found))


def tell(act: Callable[[], tuple[str, ...]]) -> None:
    """Prints who could not be told; whatever goes wrong, the step did what it is for."""
    try:
        for sentence in act():
            print(f"frostgate: {sentence}", file=sys.stderr)
    except Exception:
        traceback.print_exc()


def write_whole(path: Path, text: str) -> None:
    """Writes a file that is complete or absent, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent)
    with open(handle, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(partial, path)


if __name__ == "__main__":
    main()
