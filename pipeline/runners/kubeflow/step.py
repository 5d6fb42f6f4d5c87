"""One step as its executor sees it: the backend's executor input as TFX artifacts, and back."""

import os
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as specs
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as tfx_side
from tfx.types import artifact

from components import artifacts
from components.foreign import yaml_text
from pipeline.runners.kubeflow import pages
from pipeline.runners.kubeflow.facts import RUN_PARAMETER, Facts, facts_here
from pipeline.runners.kubeflow.pipelines import outcome_of
from pipeline.runners.kubeflow.properties import changed_at_run_time

# Where the launcher keeps a remote artifact: its `LocalPathForURI`.
_LOCAL: Final = {"gs://": "gcs", "s3://": "s3", "minio://": "minio"}
# For trying a step outside a container, where nobody may write to the root folder.
_ROOT: Final = "FROSTGATE_LOCAL_ROOT"
_FINGERPRINT: Final = "input_fingerprint"
_OURS: Final = "frostgate."


@dataclass(frozen=True)
class Step:
    """What the launcher asks for."""

    node_id: str
    message: specs.ExecutorInput
    """With every artifact's address on this machine, and its type; of outputs, those that the component declares."""
    remote: Mapping[str, str]
    """Address on this machine -> the launcher's."""
    inputs_spec: specs.ComponentInputsSpec
    names: MutableMapping[int, str]
    """TFX's number of an artifact -> the backend's name."""

    @classmethod
    def read(
        cls,
        node_id: str,
        executor_input: str,
        inputs_spec: str,
        outputs: Collection[str],
        same: Mapping[str, str],
    ) -> "Step":
        """Reads the launcher's arguments.

        Args:
            node_id: The node's name in the pipeline.
            executor_input: JSON of an ExecutorInput.
            inputs_spec: JSON of the component's ComponentInputsSpec; knows the types that the backend forgets.
            outputs: Output artifacts that the component declares.
            same: Input of the executor -> the step's input that is the same artifact, for a task takes it once.
        """
        message = json_format.Parse(executor_input, specs.ExecutorInput(), ignore_unknown_fields=True)
        spec = json_format.Parse(inputs_spec, specs.ComponentInputsSpec(), ignore_unknown_fields=True)
        # The driver adds outputs of its own, such as the launcher's log: a file of a type that is none of TFX's.
        for name in {*message.outputs.artifacts} - {*outputs}:
            del message.outputs.artifacts[name]
        for name, other in same.items():
            message.inputs.artifacts[name].CopyFrom(message.inputs.artifacts[other])
        for name, listed in message.inputs.artifacts.items():
            for one in listed.artifacts:
                _restore_type(one, spec.artifacts[name].artifact_type)
        for one in _artifacts(message.outputs.artifacts):
            _restore_type(one, one.type)
        remote = {}
        for one in _artifacts(message.inputs.artifacts, message.outputs.artifacts):
            local = local_path(one.uri)
            remote[local], one.uri = one.uri, local
        return cls(node_id, message, remote, spec, {})

    @property
    def output_file(self) -> Path:
        """Where the launcher looks for the executor output."""
        return Path(self.message.outputs.output_file)

    @property
    def unique_id(self) -> str:
        """Tells this attempt's scratch files from others'."""
        return self.output_file.parent.name

    @cached_property
    def inputs(self) -> dict[str, list[artifact.Artifact]]:
        """Input artifacts by key.

        Raises:
            FileNotFoundError: The launcher found nothing in the bucket where an upstream step had put an artifact.
        """
        for key, listed in self.message.inputs.artifacts.items():
            for one in listed.artifacts:
                # The launcher calls it no error, and an executor would say something else of every kind.
                if not os.path.exists(one.uri):
                    raise FileNotFoundError(
                        f"{self.node_id} needs {key}, expected at {self.remote[one.uri]}; there is nothing. Was the "
                        "bucket cleaned? Run the pipeline again without the cache."
                    )
        return self._parsed(self.message.inputs.artifacts)

    @cached_property
    def outputs(self) -> dict[str, list[artifact.Artifact]]:
        """Output artifacts by key, without those that are made for the user interface; each has its folder."""
        found = self._parsed(
            {key: listed for key, listed in self.message.outputs.artifacts.items() if not pages.is_page(listed)}
        )
        for one in _flat(found):
            os.makedirs(one.uri, exist_ok=True)
        return found

    @cached_property
    def facts(self) -> Facts | None:
        """What was known when the pipeline was compiled; None for a step of another pipeline."""
        return facts_here()

    @cached_property
    def exec_properties(self) -> dict[str, Any]:
        """The executor's parameters, changed by those of the run."""
        values = dict(self.message.inputs.parameter_values)
        own = {name: value for name, value in values.items() if not name.startswith(RUN_PARAMETER)}
        compiled = tfx_side.parse_execution_properties(own, {}, self.inputs_spec)
        if self.facts is None:
            return compiled
        return compiled | changed_at_run_time(self.facts, self.node_id, self.told, self._data_fingerprint())

    @cached_property
    def told(self) -> dict[str, Any]:
        """The run's parameters that reach the step, by name."""
        return {
            name.removeprefix(RUN_PARAMETER): json_format.MessageToDict(value)
            for name, value in self.message.inputs.parameter_values.items()
            if name.startswith(RUN_PARAMETER)
        }

    def executor_output(self) -> dict[str, Any]:
        """What the launcher is to record, as JSON of an ExecutorOutput."""
        made = specs.ExecutorOutput()
        for key, message in tfx_side.translate_executor_output(self.outputs, self.names).items():
            made.artifacts[key].CopyFrom(message)
        for key, listed in self.message.outputs.artifacts.items():
            if pages.is_page(listed):
                made.artifacts[key].CopyFrom(pages.written(self.node_id, listed, self.inputs, self.outputs))
        for one in _artifacts(made.artifacts):
            one.uri = self.remote.get(one.uri, one.uri)
        if self.message.outputs.parameters:
            for key, value in outcome_of(self.node_id, self.inputs, self.outputs).items():
                made.parameter_values[key].string_value = value
        return json_format.MessageToDict(made)

    def _parsed(self, listed: Mapping[str, Any]) -> dict[str, list[artifact.Artifact]]:
        found = tfx_side.parse_raw_artifact_dict(listed, self.names)
        for one, message in zip(_flat(found), _artifacts(listed), strict=True):
            _restore_custom_properties(one, json_format.MessageToDict(message.metadata))
        return found

    def _data_fingerprint(self) -> str:
        for one in _flat(self.inputs):
            if one.has_custom_property(_FINGERPRINT):
                return one.get_string_custom_property(_FINGERPRINT)
        return ""


def local_path(uri: str) -> str:
    """Returns where the launcher keeps a remote artifact; any other address stays as it is."""
    for scheme, folder in _LOCAL.items():
        if uri.startswith(scheme):
            return os.path.join(os.environ.get(_ROOT, "/"), folder, uri.removeprefix(scheme))
    return uri


def _artifacts(*lists: Mapping[str, Any]) -> Iterable[Any]:
    return (one for named in lists for listed in named.values() for one in listed.artifacts)


def _flat(found: Mapping[str, list[artifact.Artifact]]) -> Iterable[artifact.Artifact]:
    return (one for listed in found.values() for one in listed)


def _restore_type(one: Any, declared: Any) -> None:
    # The backend sends an empty type, for it does not look it up, and the SDK's local runner one that it guessed.
    one.type.CopyFrom(declared)
    # TFX takes the title of a type that it does not know for the path of its class.
    title = yaml_text.parse(one.type.instance_schema or "{}").get("title", "")
    if title.startswith(_OURS):
        one.type.schema_title = f"{artifacts.__name__}.{title.removeprefix(_OURS)}"


def _restore_custom_properties(one: artifact.Artifact, metadata: Mapping[str, Any]) -> None:
    """Gives custom properties their kind again: the backend knows doubles and texts, and TFX makes structs of them."""
    for key, value in metadata.items():
        if key in (one.PROPERTIES or {}):
            continue
        if isinstance(value, str):
            one.set_string_custom_property(key, value)
        elif isinstance(value, float) and value.is_integer():
            one.set_int_custom_property(key, int(value))
        elif isinstance(value, float):
            one.set_float_custom_property(key, value)
