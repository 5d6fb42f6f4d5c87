import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from components.backbone.kinds import KINDS
from components.whole_files import sha256_of


@pytest.fixture(scope="session")
def prepared(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A folder with real ingested examples of digits 5-9 and the Transform graph, made by the real nodes."""
    return made_once("prepared", _prepare)


def _prepare(root: Path) -> None:
    from tfx.components import Transform
    from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
    from tfx.orchestration import metadata
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.orchestration.pipeline import Pipeline

    from components.ingest.component import ImageExampleGen
    from components.ingest.embedded import materialise
    from components.ingest.settings import EMBEDDED_DIGITS, DataSettings
    from pipeline.config import BeamSettings
    from pipeline.training import beam_args
    from schemas.images import write_schema

    classes = list("56789")
    data = DataSettings(uri=materialise(EMBEDDED_DIGITS, str(root / "embedded")))
    ingest = ImageExampleGen(settings=data, classes=classes, input_fingerprint="", code_hash="")
    schema = ImportSchemaGen(schema_file=write_schema(classes, str(root / "schemas")))
    transform = Transform(
        examples=ingest.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="components.transform.preprocessing.preprocessing_fn",
        materialize=False,
        disable_statistics=True,
        disable_analyzer_cache=True,
        custom_config={"image_size": 32, "classes": classes, "preprocessing": KINDS["resnet8"].family.name},
    )
    pipeline = Pipeline(
        "prepared",
        str(root / "artifacts"),
        components=[ingest, schema, transform],
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(root / "m.db")),
        beam_pipeline_args=beam_args(BeamSettings()),
    )
    LocalDagRunner().run(pipeline)


@pytest.fixture(scope="session")
def random_backbone(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A Backbone artifact with weights that were drawn, not trained."""

    def draw(folder: Path) -> None:
        keras.utils.set_random_seed(5)
        KINDS["resnet8"].build(32).save_weights(folder / "backbone.weights.h5")
        sha256 = sha256_of(folder / "backbone.weights.h5")
        (folder / "backbone.json").write_text(json.dumps({"kind": "resnet8", "weights": "file", "sha256": sha256}))

    return made_once("random-backbone", draw)


@pytest.fixture(scope="session")
def make_args(prepared: Path, random_backbone: Path) -> Callable[..., Any]:
    """Builds what the stock Trainer would pass to `run_fn`, writing into a folder."""
    return lambda settings, out, **changes: make_fn_args(
        prepared, random_backbone, out, settings.model_dump_json(), **changes
    )


def make_fn_args(prepared: Path, backbone: Path, out: Path, settings: str, **changes: Any) -> Any:
    from tfx.components.trainer.fn_args_utils import FnArgs

    (examples,) = (prepared / "artifacts" / "ImageExampleGen" / "examples").iterdir()
    (graph,) = (prepared / "artifacts" / "Transform" / "transform_graph").iterdir()
    config = {"settings": settings, "image_size": 32, "classes": list("56789"), "work_dir": str(out / "work")}
    values = {
        "train_files": [f"{examples}/Split-train/*"],
        "eval_files": [f"{examples}/Split-stop/*"],
        "transform_graph_path": str(graph),
        "base_model": str(backbone),
        "serving_model_dir": str(out / "model" / "Format-Serving"),
        "model_run_dir": str(out / "model_run"),
        "custom_config": config,
    }
    return FnArgs(**(values | changes))
