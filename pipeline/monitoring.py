"""The monitoring pipeline: a list of nodes from a log of requests to an alert."""

from tfx.components import DistributionValidator, StatisticsGen
from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline

from components.data_gate.statistics import statistics_options
from components.drift.comparing import validator_config
from components.drift.component import DriftGate
from components.registry.component import Champion
from components.serving_log.component import ServingLogGen
from pipeline.training import beam_args
from pipeline.watching import Watch
from schemas import features


def build(watch: Watch) -> Pipeline:
    """Builds the pipeline that takes one look at the log.

    Args:
        watch: What `look_up` found out.

    Returns:
        A pipeline for any TFX runner.
    """
    return Pipeline(
        pipeline_name=f"{watch.config.name}-monitoring",
        pipeline_root=str(watch.folders.artifacts),
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(watch.folders.metadata)),
        components=nodes(watch),
        enable_cache=True,
        beam_pipeline_args=beam_args(watch.config.beam),
    )


def nodes(watch: Watch) -> list[BaseNode]:
    """Returns the nodes in the order a request meets them."""
    config = watch.config
    champion = Champion(
        settings=watch.registry.model_dump_json(),
        version=watch.champion,
        code_hash=watch.code_hash("components.registry.component"),
    )
    log = ServingLogGen(
        baseline=champion.outputs["baseline"],
        uri=config.serving_log.uri,
        until=watch.until,
        num_days=config.drift.num_days,
        input_fingerprint=watch.log_fingerprint,
        code_hash=watch.code_hash("components.serving_log.component"),
    )
    statistics = StatisticsGen(examples=log.outputs["examples"], stats_options=statistics_options())
    validator = DistributionValidator(
        statistics=statistics.outputs["statistics"],
        baseline_statistics=statistics.outputs["statistics"],
        config=validator_config(config.drift),
        include_split_pairs=[(features.SERVING, features.REFERENCE)],
    )
    gate = DriftGate(
        anomalies=validator.outputs["anomalies"],
        examples=log.outputs["examples"],
        log=log.outputs["report"],
        settings=config.drift.model_dump_json(),
        code_hash=watch.code_hash("components.drift.component"),
    )
    return [champion, log, statistics, validator, gate]
