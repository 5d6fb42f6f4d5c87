"""What a step must know of the compiled pipeline, and the plan that follows from it inside the step."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from components.foreign import json_text
from components.ingest.sources import SourceSummary
from components.settings import Settings
from pipeline.config import Config, overridden
from pipeline.config_errors import ConfigRefused
from pipeline.resolve import Plan, effective_kserve, effective_registry, folders_of, push_destination, run_key
from pipeline.runners.kubeflow.pipelines import TRAITS, PipelineName

if TYPE_CHECKING:
    from pipeline.watching import Watch

COMPILED: Final = "FROSTGATE_COMPILED"
# Set when the image is built.
REVISION: Final = "FROSTGATE_REVISION"
# Of a step's input parameters, those that are a run's and not the executor's own.
RUN_PARAMETER: Final = "run--"
LATEST: Final = "latest"
# The node that imports the schema.
SCHEMA_BY: Final = "ImportSchemaGen"
_DIGEST_LENGTH: Final = 16


class Facts(Settings):
    """What was known when the pipeline was compiled; it reaches every step in an environment variable."""

    config: Config
    """With the volume's mount as the output."""
    pipeline: PipelineName = "training"
    """Which one it is."""
    classes: tuple[str, ...] = ()
    """In order; the training's, as what follows."""
    pretrain_fingerprint: str = ""
    """Of the source task; empty unless the backbone is pretrained."""
    schema_file: str = ""
    """Where the step that imports the schema writes and finds it."""

    def written(self) -> str:
        """As a text for the environment: what differs from the defaults, and a digest of all.

        A run's workflow holds the text eight times a step, and the backend keeps only so large a workflow whole.
        """
        told = {"facts": self.model_dump(mode="json", exclude_defaults=True), "digest": self._digest()}
        return json.dumps(told, separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> "Facts":
        """Reads what `written` wrote.

        Raises:
            ConfigRefused: The code that reads has other settings or defaults than the code that wrote.
        """
        told = json_text.parse(text)
        try:
            found = cls.model_validate_json(json.dumps(told["facts"]))
        except ValidationError:
            found = None
        if found is None or found._digest() != told["digest"]:
            raise _other_code("its settings or their defaults are others")
        return found

    def write_schema(self) -> None:
        """Writes the schema of the classes to where the step that imports it finds it.

        Raises:
            ConfigRefused: The schema of this code is another than that of the code that compiled.
        """
        from schemas.images import write_schema

        if write_schema(self.classes, str(Path(self.schema_file).parents[1])) != self.schema_file:
            raise _other_code("its schema is another")

    def _digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:_DIGEST_LENGTH]


def _other_code(how: str) -> ConfigRefused:
    return ConfigRefused(
        [
            f"The image must hold the frostgate that compiled the pipeline; {how}. Compile with the image's frostgate, "
            "or build the image from the one that compiled."
        ]
    )


def facts_here() -> Facts | None:
    """Reads what the step's pipeline was compiled with; None in a step of another pipeline."""
    return Facts.read(os.environ[COMPILED]) if COMPILED in os.environ else None


def parameter_name(key: str) -> str:
    """Returns the name under which a run may set a key: `data.uri` is `data_uri`."""
    return key.replace(".", "_")


def told(facts: Facts, given: Mapping[str, Any]) -> Config:
    """Lays a run's parameters over the compiled configuration.

    Args:
        facts: The compiled pipeline's.
        given: Parameter name -> value; whole numbers may come as doubles.

    Raises:
        ConfigRefused: A value is impossible, by itself or with the others.
    """
    keys = {parameter_name(key): key for key in facts.config.kubeflow.parameters}
    further = TRAITS[facts.pipeline].parameters
    values = {keys[name]: value for name, value in given.items() if name not in further}
    return overridden(facts.config, values, "run parameter")


def no_code(module: str) -> str:
    """Stands for a module's hash in a compiled file: the code is the image's, whose digest keys the backend's cache."""
    return ""


def plan_of(
    facts: Facts, config: Config, data_fingerprint: str = "", code_hash: Callable[[str], str] = no_code
) -> Plan:
    """Says what `resolve` would, without looking at anything that only other steps can see.

    Args:
        facts: The compiled pipeline's.
        config: With the run's parameters.
        data_fingerprint: Of the images that ingest found; empty before it ran.
        code_hash: Hashes a module's code.
    """
    folders = folders_of(config)
    source = SourceSummary(
        format=config.data.format, classes=facts.classes, fingerprint=data_fingerprint, has_splits=False
    )
    return Plan(
        config=config,
        folders=folders,
        data=config.data,
        source=source,
        pretrain_dir=config.backbone.pretrain.data_uri if config.backbone.weights == "pretrain" else "",
        pretrain_fingerprint=facts.pretrain_fingerprint,
        schema_file=facts.schema_file,
        registry=effective_registry(config, folders),
        destination=push_destination(config),
        kserve=effective_kserve(config),
        run_key=run_key(config, source, facts.pretrain_fingerprint, code_hash),
        baseline=LATEST,
        versions=(),
        git_revision=os.environ.get(REVISION, ""),
        image=config.kubeflow.image,
        code_hash=code_hash,
    )


def watch_of(config: Config, until: str = "", code_hash: Callable[[str], str] = no_code) -> "Watch":
    """Says what `look_up` would, without looking at anything that only other steps can see.

    Args:
        config: With the run's parameters.
        until: The window's last day; empty: the day on which the step runs.
        code_hash: Hashes a module's code.
    """
    from pipeline.watching import Watch, monitoring_folders  # Brings TFX's messages, which no other command needs.

    return Watch(
        config=config,
        folders=monitoring_folders(config),
        registry=effective_registry(config, folders_of(config)),
        champion=LATEST,
        fingerprint="",
        until=until,
        num_files=0,
        log_fingerprint="",
        code_hash=code_hash,
    )
