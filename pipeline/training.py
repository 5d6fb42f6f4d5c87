"""The training pipeline: a list of nodes."""

import hashlib
import json
import os

from tfx.components import Evaluator, ExampleValidator, StatisticsGen, Trainer, Transform
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.proto.trainer_pb2 import EvalArgs, TrainArgs
from tfx.types.channel import Channel

from components.backbone.component import Backbone
from components.backbone.kinds import KINDS
from components.card.component import Card
from components.data_gate.component import DataGate
from components.data_gate.statistics import statistics_options
from components.evaluation.config import eval_config
from components.ingest.component import ImageExampleGen
from components.push_gate.component import PushGate
from components.pusher.component import VersionPusher
from components.registry.component import Champion, RegistryPush
from components.repair.component import Repair
from components.serving_check.component import ServingCheck
from components.transform import preprocessing
from components.warm_start.component import WarmStart
from pipeline.config import BeamSettings, fingerprint
from pipeline.resolve import Plan
from schemas.features import EVAL, STOP, TRAIN

# The gate's node id, and the suffix of the ids of the nodes that judge a repaired model.
GATE = "PushGate"
REPAIRED = "-repaired"


def build(plan: Plan) -> Pipeline:
    """Builds the pipeline that a plan describes.

    Args:
        plan: The run's plan, from `resolve`.

    Returns:
        A pipeline for any TFX runner.
    """
    return Pipeline(
        pipeline_name=plan.config.name,
        pipeline_root=str(plan.folders.artifacts),
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(plan.folders.metadata)),
        components=nodes(plan),
        enable_cache=True,
        beam_pipeline_args=beam_args(plan.config.beam),
    )


def beam_args(settings: BeamSettings, num_cores: int | None = None) -> list[str]:
    """Returns the flags of Beam's direct runner.

    Args:
        settings: Workers and running mode.
        num_cores: The number of workers where the settings leave it open; None: this machine's cores.
    """
    workers = settings.num_workers or num_cores or os.cpu_count() or 1
    mode = settings.running_mode
    if mode == "auto":
        # A single worker gains nothing from a process of its own.
        mode = "in_memory" if workers == 1 else "multi_processing"
    # Unless an image is named, TFX builds a package of itself, 52 MB, for every node and never removes it. The direct
    # runner does not need the package.
    return [f"--direct_num_workers={workers}", f"--direct_running_mode={mode}", "--sdk_container_image=none"]


def nodes(plan: Plan) -> list[BaseNode]:
    """Returns the nodes in the order an image meets them."""
    config = plan.config
    classes = list(plan.source.classes)
    ingest = ImageExampleGen(
        settings=plan.data,
        classes=classes,
        input_fingerprint=plan.source.fingerprint,
        code_hash=plan.code_hash("components.ingest.component"),
    )
    examples, report = ingest.outputs["examples"], ingest.outputs["report"]

    schema_gen = ImportSchemaGen(schema_file=plan.schema_file)
    schema = schema_gen.outputs["schema"]
    statistics = StatisticsGen(examples=examples, schema=schema, stats_options=statistics_options())
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema)
    data_gate = DataGate(
        anomalies=validator.outputs["anomalies"],
        statistics=statistics.outputs["statistics"],
        schema=schema,
        report=report,
        settings=config.data.model_dump_json(),
        code_hash=plan.code_hash("components.data_gate.component"),
    )

    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=f"{preprocessing.__name__}.{preprocessing.preprocessing_fn.__name__}",
        # The Trainer applies the graph itself: decoded pictures on disk would be a hundred times the size.
        materialize=False,
        disable_statistics=True,
        disable_analyzer_cache=True,
        custom_config={
            "image_size": config.transform.image_size,
            "preprocessing": KINDS[config.backbone.kind].family.name,
            "classes": classes,
            "code_hash": plan.code_hash(preprocessing.__name__),
        },
    )
    transform.add_upstream_node(data_gate)  # Otherwise work starts before the data are accepted.

    backbone = Backbone(
        settings=config.backbone.model_dump_json(),
        image_size=config.transform.image_size,
        seed=config.trainer.seed,
        source_dir=plan.pretrain_dir,
        cache_key=_pretrain_key(plan),
        cache_dir=str(plan.folders.cache / "backbones"),
        code_hash=plan.code_hash("components.backbone.component"),
    )
    backbone.add_upstream_node(data_gate)  # Otherwise pretraining, which takes long, starts before that.

    champion = Champion(
        settings=plan.registry.model_dump_json(),
        version=plan.baseline,
        code_hash=plan.code_hash("components.registry.component"),
    )
    training_key = _training_key(plan)
    base_model, warm_start = backbone.outputs["backbone"], []
    # Only a warm start makes the Trainer depend on the champion: otherwise a new champion would train everything again.
    if config.trainer.warm_start == "champion":
        warm_start_node = WarmStart(
            backbone=base_model,
            baseline=champion.outputs["baseline"],
            ingest_report=report,
            registry=plan.registry.model_dump_json(),
            trainer=config.trainer.model_dump_json(),
            classes=json.dumps(classes),
            image_size=config.transform.image_size,
            training_key=training_key,
            code_hash=plan.code_hash("components.warm_start.component"),
        )
        base_model, warm_start = warm_start_node.outputs["start"], [champion, warm_start_node]

    trainer = Trainer(
        run_fn=config.trainer.run_fn,
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        base_model=base_model,
        train_args=TrainArgs(splits=[TRAIN]),
        # No trainer, a user's own neither, sees the images that the gate judges by.
        eval_args=EvalArgs(splits=[STOP]),
        custom_config={
            "settings": config.trainer.model_dump_json(),
            "image_size": config.transform.image_size,
            "classes": classes,
            "work_dir": str(plan.folders.trainings / training_key),
            "code_hash": _run_fn_hash(plan),
        },
    )
    model = trainer.outputs["model"]

    def judged(candidate: Channel, suffix: str = "") -> list[BaseNode]:
        """Returns the nodes that judge a model; the last is the gate."""
        evaluations = {split: _evaluator(plan, split, examples, candidate, suffix) for split in (TRAIN, EVAL)}
        gate = PushGate(
            model=candidate,
            examples=examples,
            evaluation_train=evaluations[TRAIN].outputs["evaluation"],
            evaluation_eval=evaluations[EVAL].outputs["evaluation"],
            ingest_report=report,
            data_decision=data_gate.outputs["decision"],
            baseline=champion.outputs["baseline"],
            settings=config.gate.model_dump_json(),
            config_fingerprint=fingerprint(config),
            code_hash=plan.code_hash("components.push_gate.component"),
        ).with_id(f"{GATE}{suffix}")
        return [*evaluations.values(), gate]

    judgement = judged(model)
    if config.repair == "batch_norm":
        repair = Repair(
            model=model,
            verdict=judgement[-1].outputs["verdict"],
            examples=examples,
            transform_graph=transform.outputs["transform_graph"],
            code_hash=plan.code_hash("components.repair.component"),
        )
        model = repair.outputs["repaired"]
        judgement += [repair, *judged(model, REPAIRED)]
    gate = judgement[-1]
    serving_check = ServingCheck(
        model=model,
        examples=examples,
        settings=config.serving_check.model_dump_json(),
        code_hash=plan.code_hash("components.serving_check.component"),
    )
    card = Card(
        verdict=gate.outputs["verdict"],
        blessing=gate.outputs["blessing"],
        serving_report=serving_check.outputs["report"],
        code_hash=plan.code_hash("components.card.component"),
    )
    pusher = VersionPusher(
        model=model,
        model_blessing=gate.outputs["blessing"],
        infra_blessing=serving_check.outputs["blessing"],
        baseline=champion.outputs["baseline"],
        destination=plan.destination,
        registry=plan.registry.model_dump_json(),
        code_hash=plan.code_hash("components.pusher.component"),
    ).with_id("Pusher")
    # Otherwise the Card step could fail between a push and its registration.
    pusher.add_upstream_node(card)
    registry_push = RegistryPush(
        model=model,
        pushed_model=pusher.outputs["pushed_model"],
        model_blessing=gate.outputs["blessing"],
        infra_blessing=serving_check.outputs["blessing"],
        verdict=gate.outputs["verdict"],
        reference=gate.outputs["reference"],
        serving_report=serving_check.outputs["report"],
        ingest_report=report,
        schema=schema,
        card=card.outputs["card"],
        settings=plan.registry.model_dump_json(),
        destination=plan.destination,
        kserve=plan.kserve.model_dump_json(),
        config_json=config.model_dump_json(),
        config_fingerprint=fingerprint(config),
        run_key=plan.run_key,
        training_key=training_key,
        git_revision=plan.git_revision,
        image=plan.image,
        kfp_run_id="",  # Only the Kubeflow backend knows it, and fills it in.
        code_hash=plan.code_hash("components.registry.component"),
    )
    return [
        ingest,
        schema_gen,
        statistics,
        validator,
        data_gate,
        transform,
        backbone,
        *warm_start,
        trainer,
        *([] if warm_start else [champion]),
        *judgement,
        serving_check,
        card,
        pusher,
        registry_push,
    ]


def _evaluator(plan: Plan, split: str, examples: Channel, model: Channel, suffix: str) -> Evaluator:
    """Returns the Evaluator of one split: a single node for both splits would merge them and hide the gap."""
    return Evaluator(
        examples=examples,
        model=model,
        example_splits=[split],
        eval_config=eval_config(plan.config.evaluation),
    ).with_id(f"Evaluator-{split}{suffix}")


def _run_fn_hash(plan: Plan) -> str:
    return plan.code_hash(plan.config.trainer.run_fn.rpartition(".")[0])


def _pretrain_key(plan: Plan) -> str:
    """Returns a hash of everything that pretrained weights depend on."""
    return _short_hash(
        plan.config.backbone.kind,
        plan.config.backbone.pretrain.model_dump_json(),
        plan.config.transform.image_size,
        plan.config.trainer.seed,
        plan.pretrain_fingerprint,
        plan.code_hash("components.backbone.pretrain"),
    )


def _training_key(plan: Plan) -> str:
    """Returns a hash of what a training depends on, except the champion; only the same key continues a killed one."""
    return _short_hash(
        plan.config.trainer.model_dump_json(),
        plan.config.transform.model_dump_json(),
        plan.config.backbone.model_dump_json(),
        plan.config.data.model_dump_json(),
        plan.source.fingerprint,
        plan.pretrain_fingerprint,
        _run_fn_hash(plan),
    )


def _short_hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(list(map(str, parts))).encode()).hexdigest()[:16]
