"""The ingest node."""

import json
from collections.abc import Sequence

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import IngestReport
from components.ingest.executor import EXAMPLES, FINGERPRINT, REPORT, Executor
from components.ingest.settings import DataSettings


class ImageExampleGenSpec(ComponentSpec):
    """What the ingest node takes and gives."""

    # Plain attributes, as the base class declares them.
    INPUTS: dict[str, ChannelParameter] = {}  # noqa: RUF012
    OUTPUTS = {  # noqa: RUF012
        EXAMPLES: ChannelParameter(type=standard_artifacts.Examples),
        REPORT: ChannelParameter(type=IngestReport),
    }
    PARAMETERS = {  # noqa: RUF012
        "settings": ExecutionParameter(type=str),
        "classes": ExecutionParameter(type=str),
        FINGERPRINT: ExecutionParameter(type=str),
        "code_hash": ExecutionParameter(type=str),
    }


class ImageExampleGen(base_beam_component.BaseBeamComponent):
    """Reads labelled images and writes examples, split by what the pictures show.

    Outputs: `examples` (Examples with splits train, stop and eval) and `report` (IngestReport).
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, settings: DataSettings, classes: Sequence[str], input_fingerprint: str, code_hash: str) -> None:
        """Makes the node.

        Args:
            settings: Where the images are and what is accepted.
            classes: The class names in order; empty: discovered when the node runs.
            input_fingerprint: The source's, so that new data are no cache hit; empty: not compared.
            code_hash: A hash of the node's code; used for nothing but the cache key.
        """
        spec = ImageExampleGenSpec(
            settings=settings.model_dump_json(),
            classes=json.dumps(list(classes)),
            input_fingerprint=input_fingerprint,
            code_hash=code_hash,
            examples=types.Channel(type=standard_artifacts.Examples),
            report=types.Channel(type=IngestReport),
        )
        super().__init__(spec=spec)
