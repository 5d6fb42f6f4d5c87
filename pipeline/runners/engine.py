"""Runs a compiled pipeline's nodes one after the other, in this process, with TFX's own launcher."""

import contextlib
import ctypes
import gc
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.proto.orchestration import pipeline_pb2
from tfx.proto.orchestration.execution_result_pb2 import ExecutorOutput

from pipeline.runners import contents, outside
from pipeline.runners.failures import changed_artifact
from pipeline.runners.progress import Progress
from pipeline.runners.results import NodeResult, NodeStatus, Walk
from pipeline.runners.store import Execution, forget, living, read_execution


def run_pipeline(
    pipeline: tfx_pipeline.Pipeline,
    run_id: str,
    progress: Progress,
    walk: Walk,
    holds: Mapping[str, Callable[[Path], bool]] = MappingProxyType({}),
) -> None:
    """Runs every node, or none after the first that fails.

    Args:
        pipeline: With an SQLite metadata store.
        run_id: Named in the log.
        progress: Is told of every node.
        walk: Receives what happened.
        holds: Artifact type -> whether what earlier runs left in a folder may be taken from the cache.

    Raises:
        Exception: What the failed node raised; its result is in `walk` all the same.
    """
    compiled = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        compiled, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: f"{run_id}-{datetime.now().isoformat()}"}
    )
    deployment = runner_utils.extract_local_deployment_config(compiled)
    nodes = [node.pipeline_node for node in compiled.nodes]
    ids = [node.node_info.id for node in nodes]
    for node in nodes:
        if node.node_info.id in outside.NODES:
            node.execution_options.caching_options.enable_cache = False
    configured = deployment.metadata_connection_config
    connection = metadata.Metadata(getattr(configured, configured.WhichOneof("connection_config")))
    _forget(connection, holds)
    progress.run_started(run_id, ids)
    with _imports_left_alone():
        for position, node in enumerate(nodes):
            progress.node_started(ids[position])
            started = time.monotonic()
            try:
                execution = _launch(node, compiled, deployment, connection)
            except BaseException as error:
                _make_again(error, connection)
                _record(walk, progress, ids[position], "failed", started, str(error) or type(error).__name__)
                for skipped in ids[position + 1 :]:
                    _record(walk, progress, skipped, "skipped", time.monotonic())
                raise
            walk.outputs[ids[position]] = execution.outputs
            if not execution.is_cached:
                _release_memory()
            _record(walk, progress, ids[position], "cached" if execution.is_cached else "done", started)


@contextlib.contextmanager
def _imports_left_alone() -> Iterator[None]:
    """Keeps the garbage collector off what is imported: to go through it after every node would take a second each."""
    gc.freeze()
    try:
        yield
    finally:
        # A process that goes on, such as one of tests, drops some of what is alive now.
        gc.unfreeze()


def _launch(
    node: pipeline_pb2.PipelineNode,
    compiled: pipeline_pb2.Pipeline,
    deployment: pipeline_pb2.IntermediateDeploymentConfig,
    connection: metadata.Metadata,
) -> Execution:
    info = _Launcher(
        pipeline_node=node,
        mlmd_connection=connection,
        pipeline_info=compiled.pipeline_info,
        pipeline_runtime_spec=compiled.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, node.node_info.id),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node.node_info.id),
    ).launch()
    with connection as handle:
        execution = read_execution(handle.store, info.execution_id)
    if not execution.succeeded:
        # The launcher reports inputs that it cannot resolve in the log only.
        raise RuntimeError(f"{node.node_info.id} did not run, for its inputs are missing; see the log.")
    return execution


class _Launcher(launcher.Launcher):
    """Runs no step on what changed since it was written, and remembers what each step writes."""

    def _run_executor(self, execution_info: ExecutionInfo) -> ExecutorOutput:
        contents.check(execution_info.input_dict)
        output = super()._run_executor(execution_info)
        contents.seal(execution_info.output_dict, names_files=True)
        # What an executor says of its outputs takes the place of what was prepared for them.
        for key, artifacts in execution_info.output_dict.items():
            said = output.output_artifacts[key].artifacts if key in output.output_artifacts else ()
            for one, message in zip(artifacts, said, strict=False):
                message.custom_properties[contents.CONTENT].string_value = contents.seal_of(one)
        return output


def _forget(connection: metadata.Metadata, holds: Mapping[str, Callable[[Path], bool]]) -> None:
    with connection as handle:
        for kind, is_whole in holds.items():
            for uri in living(handle.store, kind):
                if not is_whole(Path(uri)):
                    forget(handle.store, uri)


def _make_again(error: BaseException, connection: metadata.Metadata) -> None:
    """Lets the next run make an artifact that changed since it was judged: the cache would hand it out for ever."""
    if (folder := changed_artifact(error)) is not None:
        with connection as handle:
            forget(handle.store, folder)


def _release_memory() -> None:
    """Gives back what a node's models held; nodes share this process, and a pod each has its own on a cluster."""
    import keras

    keras.utils.clear_session(free_memory=True)
    # The allocator keeps freed pages for this process; the next node's native libraries allocate elsewhere.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _record(
    walk: Walk, progress: Progress, node_id: str, status: NodeStatus, started: float, error: str | None = None
) -> None:
    # Linux counts kilobytes, macOS bytes.
    unit = 1e9 if sys.platform == "darwin" else 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    result = NodeResult(
        id=node_id,
        status=status,
        seconds=round(time.monotonic() - started, 3),
        ended=None if status == "skipped" else time.time(),
        error=error,
        peak_memory_gigabytes=round(peak, 3),
    )
    walk.nodes.append(result)
    progress.node_finished(result)
