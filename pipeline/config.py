"""A run's configuration: one validated value, read from a file, the environment and the command line."""

import hashlib
import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import to_jsonable_python

from components.backbone.settings import BackboneSettings
from components.credentials import PublicAddress
from components.drift.settings import DriftSettings
from components.evaluation.settings import EvaluationSettings
from components.ingest.settings import DataSettings
from components.kserve.settings import KServeSettings
from components.monitoring.settings import MonitoringSettings
from components.push_gate.settings import GateSettings
from components.pusher.settings import PushSettings
from components.registry.settings import RegistrySettings
from components.serving_check.settings import ServingCheckSettings
from components.serving_log.settings import ServingLogSettings
from components.settings import Settings
from components.trainer.settings import TrainerSettings
from components.transform.settings import TransformSettings
from pipeline.config_errors import ConfigRefused, all_keys, booleans_for_numbers, sentences
from pipeline.config_rules import contradictions, secrets, with_published_size
from pipeline.config_sources import Told, from_environment, from_file, from_overrides, merge, nested
from pipeline.retention import RetentionSettings
from pipeline.runners.kubeflow.settings import KubeflowSettings

# These keys say where a run writes, how fast it goes, and what happens to its model afterwards; none changes the model.
_WITHOUT_INFLUENCE: Final = (
    "name",
    "output",
    "push",
    "registry",
    "kserve",
    "monitoring",
    "serving_log",
    "drift",
    "retention",
    "beam",
    "kubeflow",
)


class BeamSettings(Settings):
    """How Beam runs the data steps on this machine."""

    num_workers: int = Field(1, ge=0)
    """Worker processes; 0: one a core."""
    running_mode: Literal["auto", "in_memory", "multi_threading", "multi_processing"] = "auto"
    """`auto` stays in this process for one worker and takes processes for more."""


class Config(Settings):
    """Everything a run may be told; `frostgate config show` prints it with every key's meaning."""

    name: str = Field(
        "digits", pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63, examples=["digits", "cats-and-dogs"]
    )
    """The pipeline's name: lower-case letters, digits and hyphens, at most 63. Its runs share a cache and a folder of
    this name."""
    output: str = Field("frostgate-output", min_length=1)
    """Folder that receives everything a run writes."""
    data: DataSettings = DataSettings()
    """The labelled images."""
    transform: TransformSettings = TransformSettings()
    """From encoded picture to the backbone's input."""
    backbone: BackboneSettings = BackboneSettings()
    """The network under the head, and its weights."""
    trainer: TrainerSettings = TrainerSettings()
    """How the classifier is trained."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """How metrics are sliced."""
    gate: GateSettings = GateSettings()
    """When a model is refused."""
    repair: Literal["none", "batch_norm"] = "none"
    """`batch_norm`: a refused model whose trainable BatchNorm never converged gets re-estimated moving statistics, and
    goes through evaluation and gate again as a new candidate. Every run then evaluates twice."""
    serving_check: ServingCheckSettings = ServingCheckSettings()
    """How the export is tried in a fresh process."""
    push: PushSettings = PushSettings()
    """Where served versions are kept."""
    registry: RegistrySettings = RegistrySettings()
    """Where judged models are recorded."""
    kserve: KServeSettings = KServeSettings()
    """How the champion is served on a cluster with KServe."""
    monitoring: MonitoringSettings = MonitoringSettings()
    """Where a run's numbers go."""
    serving_log: ServingLogSettings = ServingLogSettings()
    """What is kept of requests."""
    drift: DriftSettings = DriftSettings()
    """When requests have moved away from what was learnt."""
    retention: RetentionSettings = RetentionSettings()
    """What `frostgate prune` keeps."""
    beam: BeamSettings = BeamSettings()
    """How the data steps run on this machine."""
    kubeflow: KubeflowSettings = KubeflowSettings()
    """How the steps run on a cluster."""

    @model_validator(mode="before")
    @classmethod
    def _at_the_door(cls, values: Any) -> Any:
        if refusals := secrets(values, cls):
            raise ValueError("\n".join(refusals))
        return with_published_size(values)

    @model_validator(mode="after")
    def _without_contradictions(self) -> Self:
        if refusals := contradictions(self):
            raise ValueError("\n".join(refusals))
        return self


def load(path: str | None = None, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Config:
    """Reads a run's configuration: defaults, then the file, then the environment, then the overrides.

    Args:
        path: A YAML file, or None for none.
        overrides: `dotted.key=value`, the value as YAML writes it.
        environ: Environment variables; those named `FROSTGATE__SECTION__KEY` count. None for none.

    Raises:
        ConfigRefused: A source cannot be read, a key is unknown, or a value is impossible; one sentence for each fault.
    """
    sources: list[Told] = []
    if path is not None:
        sources.append(from_file(path))
    sources += from_environment(environ or {}, Config)
    sources += from_overrides(overrides, Config)
    return _validated(sources)


def overridden(config: Config, values: Mapping[str, Any], origin: str) -> Config:
    """Returns a configuration with some values replaced.

    Args:
        config: Gives all other values.
        values: Dotted key -> value.
        origin: Where the values come from; a refusal begins with it.

    Raises:
        ConfigRefused: A key is unknown or a value is impossible.
    """
    overrides = [nested(key.split("."), value, f"{origin} {key}") for key, value in values.items()]
    return _validated([Told(config.model_dump(mode="json"), "configuration"), *overrides])


def _validated(sources: Sequence[Told]) -> Config:
    merged = merge(sources)
    if refusals := booleans_for_numbers(merged.values, Config, merged.origins):
        raise ConfigRefused(refusals)
    try:
        return Config.model_validate(merged.values)
    except ValidationError as error:
        raise ConfigRefused(sentences(error, Config, merged.origins)) from None


def fingerprint(config: Config) -> str:
    """Returns the sha256 (hex) of everything in a configuration that influences a run's results."""
    relevant = config.model_dump(mode="json", exclude=set(_WITHOUT_INFLUENCE))
    return hashlib.sha256(json.dumps(relevant, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def addresses(config: Config) -> dict[str, PublicAddress]:
    """Returns the addresses that may have credentials, the registry's and the Pushgateway's, by their keys."""
    found = {key: operator.attrgetter(key)(config) for key in all_keys(Config)}
    return {key: value for key, value in found.items() if isinstance(value, PublicAddress)}


def effective_yaml(config: Config) -> str:
    """Writes a configuration as YAML with every key's meaning as a comment above it; `load` reads it back."""
    return "\n".join(_yaml_lines(config, indent="")).lstrip() + "\n"


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of a configuration file, for editors."""
    return Config.model_json_schema()


def _yaml_lines(section: BaseModel, indent: str) -> Iterator[str]:
    for key, field in type(section).model_fields.items():
        if not indent:
            yield ""
        yield from (f"{indent}# {line}" for line in cleandoc(field.description or "").splitlines())
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            yield f"{indent}{key}:"
            yield from _yaml_lines(value, indent + "  ")
        else:
            yield f"{indent}{key}: {_yaml_value(value)}"


def _yaml_value(value: Any) -> str:
    plain = to_jsonable_python(value)
    # YAML ends a document that is one bare scalar with "...".
    return yaml.safe_dump(plain, default_flow_style=True, width=10**9, allow_unicode=True).removesuffix("...\n").strip()
