"""The stock Evaluator with our configuration, on a Keras 3 export and raw examples with string labels."""

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from components.evaluation.config import eval_config
from components.evaluation.results import OVERALL, read_metrics, read_slice_features
from components.evaluation.settings import EvaluationSettings

pytestmark = pytest.mark.tfx


@pytest.fixture(scope="module")
def toy() -> ModuleType:
    path = Path(__file__).parents[1] / "push_gate" / "toy.py"
    spec = importlib.util.spec_from_file_location("evaluation_toy", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluation_toy"] = module
    spec.loader.exec_module(module)
    return module


def test_there_are_no_thresholds_for_the_gate_decides() -> None:
    assert "threshold" not in str(eval_config(EvaluationSettings(slice_features=("format",))))


def test_both_splits_are_counted_right_overall_and_by_slice(toy: ModuleType, tmp_path: Path) -> None:
    data = toy.digits()
    model = toy.train(toy.network(), data["train"], epochs=3)
    toy.write_examples(tmp_path / "examples", data)
    uris = toy.evaluate(tmp_path, tmp_path / "examples", toy.export(tmp_path / "model", model), ("format", "height"))
    for split, part in data.items():
        right = np.asarray(model(part.pixels, training=False)).argmax(axis=1) == part.labels
        metrics = read_metrics(uris[split])
        whole = metrics[OVERALL]
        assert whole["example_count"] == len(part.labels)
        assert whole["sparse_categorical_accuracy"] == pytest.approx(right.mean(), abs=1e-6)
        assert whole["sparse_categorical_crossentropy"] > 0
        for index, name in enumerate(toy.CLASSES):
            one = metrics[f"label={name}"]
            assert one["example_count"] == (part.labels == index).sum()
            assert one["sparse_categorical_accuracy"] == pytest.approx(right[part.labels == index].mean(), abs=1e-6)
        assert {"format=png", "format=bmp", "height=8"} <= set(metrics)
    assert read_slice_features(uris["eval"]) == ("label", "format", "height")


def test_a_model_of_nan_is_evaluated_and_its_loss_is_nan(toy: ModuleType, tmp_path: Path) -> None:
    data = {split: toy.Digits(part.images[:20], part.labels[:20]) for split, part in toy.digits().items()}
    toy.write_examples(tmp_path / "examples", data)
    model = toy.export(tmp_path / "model", toy.broken(data["train"]))
    whole = read_metrics(toy.evaluate(tmp_path, tmp_path / "examples", model)["eval"])[OVERALL]
    assert math.isnan(whole["sparse_categorical_crossentropy"]) and whole["example_count"] == 20
