"""From a configuration to the two documents that the Kubeflow Pipelines backend takes."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig
from tfx.orchestration.pipeline import Pipeline

from components.errors import DataRefused
from components.ingest.sources import discover
from components.ingest.spans import has_spans
from pipeline.config import Config
from pipeline.resolve import Folders, located, pretraining
from pipeline.runners.kubeflow.branching import NEWS
from pipeline.runners.kubeflow.checks import check
from pipeline.runners.kubeflow.facts import Facts, parameter_name
from pipeline.runners.kubeflow.pipelines import TRAITS, PipelineName
from pipeline.runners.kubeflow.platform import platform
from pipeline.runners.kubeflow.properties import nodes_of, properties
from pipeline.runners.kubeflow.spec import accepted, steps_of, value_of
from pipeline.runners.kubeflow.steps import resources
from pipeline.training import beam_args
from schemas.images import SCHEMA_FILE, write_schema

COMMAND: Final = ("python", "-m", "pipeline.runners.kubeflow.entrypoint")
# In a step; every step may write to /tmp.
_SCHEMAS: Final = "/tmp/frostgate/schemas"


class _Plain(yaml.SafeDumper):
    """Writes equal parts out each time: people read the file, and compare two."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@dataclass(frozen=True)
class Compiled:
    """What a backend is given."""

    spec: dict[str, Any]
    """JSON of a PipelineSpec, schema 2.1.0."""
    platform: dict[str, Any]
    """JSON of a PlatformSpec."""

    @property
    def num_steps(self) -> int:
        """Nodes of the pipeline and the one that looks for news, without the steps that only tell how it came out."""
        nodes = sum("triggerPolicy" not in task for task in steps_of(self.spec).values())
        return nodes + (NEWS in self.spec["root"]["dag"]["tasks"])

    def to_yaml(self) -> str:
        """Writes both documents, keys sorted, so that equal pipelines are equal texts."""
        documents = [self.spec, self.platform]
        return yaml.dump_all(documents, Dumper=_Plain, sort_keys=True, width=1_000_000, allow_unicode=True)


def compile_pipeline(config: Config, name: PipelineName = "training") -> Compiled:
    """Compiles a pipeline.

    Args:
        config: The settings of both.
        name: Which one.

    Raises:
        DataRefused: The settings do not do for a cluster, or the data cannot be read from here to learn the classes of
            a training.
    """
    check(config, name)
    with tempfile.TemporaryDirectory() as scratch:
        facts = _FACTS[name](config, scratch)
    components = nodes_of(facts, facts.config)
    given = resources(facts.config, [*_news(facts), *(node.id for node in components)], _others(facts))
    pipeline = Pipeline(
        pipeline_name=config.name + TRAITS[name].suffix,
        pipeline_root="",  # Given with each run.
        components=components,
        enable_cache=True,
        beam_pipeline_args=beam_args(facts.config.beam, int(config.kubeflow.cpu)),
    )
    runner = KubeflowV2DagRunner(
        config=KubeflowV2DagRunnerConfig(
            default_image=config.kubeflow.image, default_commands=list(COMMAND), use_pipeline_spec_2_1=True
        )
    )
    job = runner.run(pipeline, write_out=False)
    spec = accepted(job["pipelineSpec"], facts, given, _uses(facts))
    others = {*steps_of(spec), *spec["root"]["dag"]["tasks"]} - {*given, name}
    return Compiled(spec, platform(config.kubeflow, given, others))


def _news(facts: Facts) -> list[str]:
    """The step before the nodes, where data arrive in spans."""
    return [NEWS] if facts.pipeline == "training" and has_spans(facts.config.data.uri) else []


def _others(facts: Facts) -> set[str]:
    """Steps of the other pipelines, which the same settings may speak of; no data are read to name them."""
    others = [Facts(config=facts.config, pipeline=name) for name in TRAITS if name != facts.pipeline]
    nodes = {node.id for other in others for node in nodes_of(other, other.config)}
    return nodes.union(*map(_news, others))


def _facts(config: Config, scratch: str) -> Facts:
    here = Folders(root=Path(scratch), cache=Path(scratch))
    classes = config.data.classes or _classes(config, here)
    written = Path(write_schema(classes, scratch))
    return Facts(
        config=config.model_copy(update={"output": config.kubeflow.mount}),
        classes=classes,
        pretrain_fingerprint=pretraining(config, here)[1],
        schema_file=f"{_SCHEMAS}/{written.parent.name}/{SCHEMA_FILE}",
    )


def _facts_of_looks(config: Config, scratch: str) -> Facts:
    on_the_volume = config.model_copy(update={"output": config.kubeflow.mount})
    return Facts(config=on_the_volume, pipeline="monitoring")


_FACTS: Final = {"training": _facts, "monitoring": _facts_of_looks}


def _classes(config: Config, here: Folders) -> tuple[str, ...]:
    try:
        return discover(located(config.data, here)).classes
    except (DataRefused, OSError) as error:
        raise DataRefused(
            f"The class names must be known to compile, and {config.data.uri} cannot be read from here ({error}). "
            "Give them: --set 'data.classes=[cat, dog]'."
        ) from None


def _uses(facts: Facts) -> Mapping[str, list[str]]:
    """Finds which steps another value of a run parameter would change, by trying one."""
    compiled = properties(facts, facts.config)
    found: dict[str, list[str]] = {name: [] for name in compiled}
    for key in facts.config.kubeflow.parameters:
        other = _changed(facts.config, key.split("."), _another(value_of(facts.config, key)))
        for name, values in properties(facts, other).items():
            if values != compiled[name]:
                found[name].append(parameter_name(key))
    for name, readers in TRAITS[facts.pipeline].parameters.items():
        for reader in readers:
            found[reader].append(name)
    # What a run is made of is all of them.
    return found | {name: list(map(parameter_name, facts.config.kubeflow.parameters)) for name in _news(facts)}


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + (1 if isinstance(value, int) else 0.5 if isinstance(value, float) else "?")


def _changed(section: Any, keys: list[str], value: Any) -> Any:
    first, *rest = keys
    return section.model_copy(update={first: _changed(getattr(section, first), rest, value) if rest else value})
