"""Twenty logs as they should be, and twenty darker ones without the small digits, through TFX's own comparison."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.drift.decision import Decision, decide
from components.drift.settings import DriftSettings
from schemas import features

pytestmark = [pytest.mark.tfx, pytest.mark.long]

SEEDS = range(20)
NUM_REFERENCE, NUM_REQUESTS = 300, 200
LIMITS = DriftSettings()


def encoded(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).convert("RGB").save(out, "PNG")
    return out.getvalue()


def splits(seed: int, measured: dict[bytes, Any], inspector: Any) -> Iterator[tuple[str, list[Any]]]:
    """A reference, requests like it, and requests that moved: handwriting that the model was not trained on."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    images = np.round(data.images[order] * (255 / 16)).astype(np.uint8)
    labels = data.target[order]
    train, reference = slice(0, 600), slice(600, 600 + NUM_REFERENCE)
    same = slice(reference.stop, reference.stop + NUM_REQUESTS)
    model = LogisticRegression(C=1e-5, max_iter=1000).fit(images[train].reshape(600, -1), labels[train])
    rest = np.arange(same.stop, len(labels))
    moved = rest[labels[rest] >= 4]
    mean = images[reference].reshape(NUM_REFERENCE, -1).mean(axis=0)
    darker = (images[moved] * 0.7).astype(np.uint8)
    for name, pictures in (("reference", images[reference]), ("same", images[same]), ("moved", darker)):
        yield f"{name}-{seed}", [asked(picture, model, mean, measured, inspector) for picture in pictures]


def asked(image: np.ndarray, model: Any, mean: np.ndarray, measured: dict[bytes, Any], inspector: Any) -> Any:
    """One request as the monitoring pipeline sees it; its pixels stand for the backbone's features."""
    from components.serving_log.embeddings import distances
    from components.serving_log.examples import answer_features, compared, number
    from components.serving_log.record import Asked, log_example

    probabilities = model.predict_proba(image.reshape(1, -1))[0]
    name, confidence = str(model.classes_[probabilities.argmax()]), float(probabilities.max())
    if image.tobytes() not in measured:
        measured[image.tobytes()] = log_example(Asked(encoded(image), "", 0.0, 0, ""), inspector, with_picture=False)
    (distance,) = distances(image.reshape(1, -1).astype(np.float32), mean)
    answer = answer_features(name, confidence) | {features.EMBEDDING_DISTANCE: number(distance)}
    return compared(measured[image.tobytes()], answer)


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Decision]:
    """Split -> what was decided of it."""
    import tensorflow as tf
    from tensorflow_metadata.proto.v0 import anomalies_pb2
    from tfx.components import DistributionValidator, StatisticsGen
    from tfx.dsl.components.common.importer import Importer
    from tfx.orchestration import metadata
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.orchestration.pipeline import Pipeline
    from tfx.types import standard_artifacts
    from tfx.types.artifact_utils import encode_split_names

    from components.data_gate.statistics import statistics_options
    from components.drift.comparing import distances, validator_config
    from components.drift.samples import compare, read_samples
    from components.ingest.record import Inspector
    from components.ingest.settings import DataSettings
    from pipeline.config import BeamSettings
    from pipeline.training import beam_args

    root: Path = tmp_path_factory.mktemp("drift")
    inspector = Inspector(DataSettings())
    measured: dict[bytes, Any] = {}  # Every picture is looked at once, whatever the seed.
    written = dict(split for seed in SEEDS for split in splits(seed, measured, inspector))
    for name, found in written.items():
        folder = root / "examples" / f"Split-{name}"
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
            for example in found:
                writer.write(example.SerializeToString())
    pairs = [(f"{name}-{seed}", f"reference-{seed}") for seed in SEEDS for name in ("same", "moved")]
    examples = Importer(
        source_uri=str(root / "examples"),
        artifact_type=standard_artifacts.Examples,
        properties={"split_names": encode_split_names(list(written))},
    ).with_id("examples")
    statistics = StatisticsGen(examples.outputs["result"], stats_options=statistics_options())
    validator = DistributionValidator(
        statistics=statistics.outputs["statistics"],
        baseline_statistics=statistics.outputs["statistics"],
        config=validator_config(LIMITS),
        include_split_pairs=pairs,
    )
    LocalDagRunner().run(
        Pipeline(
            pipeline_name="drift",
            pipeline_root=str(root / "artifacts"),
            components=[examples, statistics, validator],
            metadata_connection_config=metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite")),
            beam_pipeline_args=beam_args(BeamSettings()),
        )
    )
    (anomalies,) = (root / "artifacts" / "DistributionValidator" / "anomalies").iterdir()
    samples = {name: read_samples(str(root / "examples" / f"Split-{name}")) for name in written}
    decided = {}
    for name, reference in pairs:
        diff = anomalies_pb2.Anomalies.FromString(
            (anomalies / f"SplitPair-{name}_{reference}" / "SchemaDiff.pb").read_bytes()
        )
        comparisons = compare(distances(diff, LIMITS), samples[reference], samples[name])
        decided[name] = decide(comparisons, len(samples[name].names[features.PREDICTED_CLASS]), LIMITS, "it")
    return decided


@pytest.mark.parametrize("seed", SEEDS)
def test_requests_like_the_reference_raise_no_alert(decisions, seed):
    assert decisions[f"same-{seed}"].status == "quiet", decisions[f"same-{seed}"].sentence


@pytest.mark.parametrize("seed", SEEDS)
def test_darker_requests_of_another_class_mix_raise_the_alert_for_what_moved(decisions, seed):
    found = set(decisions[f"moved-{seed}"].drifted)
    assert {*features.CHANNEL_MEANS, *features.CHANNEL_STDS, features.SHARPNESS, features.PREDICTED_CLASS} <= found
    assert found.isdisjoint({features.HEIGHT, features.WIDTH, features.FORMAT})
