"""The cases hang together: names, settings, causes and drawings."""

import importlib
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from components.cases import pictures
from components.cases.catalogue import CASES, FIVE
from components.cases.cifar import Drawn
from components.diagnosis.advice import TITLES
from components.errors import DataRefused
from pipeline.cases import chosen, configuration

VARIANTS = [(case, variant) for case in CASES for variant in case.variants]


def configured(pair) -> str:
    case, variant = pair
    return configuration(case, variant, "nowhere").trainer.run_fn


DRAWINGS = sorted({variant.files for _, variant in VARIANTS}, key=lambda files: files.__name__)


def test_the_five_come_first_and_names_are_unique():
    assert CASES[:5] == FIVE
    assert len({case.id for case in CASES}) == len(CASES)
    for case in CASES:
        assert len({variant.name for variant in case.variants}) == len(case.variants)


@pytest.mark.parametrize(("case", "variant"), VARIANTS, ids=lambda one: getattr(one, "id", getattr(one, "name", "")))
def test_every_variant_is_a_valid_configuration_and_expects_a_cause_that_exists(case, variant, tmp_path):
    config = configuration(case, variant, str(tmp_path))
    assert config.name == (variant.pipeline or f"{case.id}-{variant.name}")
    assert set(variant.causes) <= TITLES.keys()
    assert set(variant.decisions) <= {"PASS", "BLOCK", "HOLD"}


@pytest.mark.tfx
@pytest.mark.parametrize("run_fn", sorted({configured(one) for one in VARIANTS}))
def test_every_trainer_that_a_case_names_is_there(run_fn):
    module, _, function = run_fn.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


def test_cifar10_takes_the_place_of_drawings_in_a_pipeline_of_its_own(tmp_path):
    drawn = Drawn(tmp_path / "target", tmp_path / "source")
    for case in chosen([], of_cifar10=True):
        for variant in case.variants:
            on_drawings = configuration(case, variant, str(tmp_path))
            config = configuration(case, variant, str(tmp_path), drawn)
            assert config.data.uri == str(drawn.target)
            assert config.backbone.pretrain.data_uri == str(drawn.source)
            # A champion of drawn pictures would be the baseline of one of photographs.
            assert config.name == f"{on_drawings.name}-cifar10"
            # What the case is about is the same.
            assert config.trainer == on_drawings.trainer


def test_another_network_on_cifar10_is_named_in_the_environment_and_other_pictures_are_not(tmp_path, monkeypatch):
    case, drawn = chosen(["learning-phase"])[0], Drawn(tmp_path / "target", tmp_path / "source")
    assert configuration(case, case.variants[0], str(tmp_path), drawn).backbone.kind == "resnet8"
    monkeypatch.setenv("FROSTGATE__BACKBONE__KIND", "resnet50")
    monkeypatch.setenv("FROSTGATE__BACKBONE__WEIGHTS", "resnet50.weights.h5")
    monkeypatch.setenv("FROSTGATE__DATA__URI", "elsewhere")
    config = configuration(case, case.variants[0], str(tmp_path), drawn)
    assert (config.backbone.kind, config.backbone.weights) == ("resnet50", "resnet50.weights.h5")
    assert config.data.uri == str(drawn.target)


def test_a_case_of_other_pictures_is_not_run_on_cifar10():
    assert [case.id for case in chosen([], of_cifar10=True)] == ["frozen-batch-stats", "learning-phase"]
    with pytest.raises(DataRefused, match="--data is for the cases frozen-batch-stats and learning-phase; far-domain"):
        chosen(["frozen-batch-stats", "far-domain"], of_cifar10=True)


def test_a_case_that_does_not_exist_is_one_sentence_with_the_choices():
    with pytest.raises(DataRefused, match=r"There is no case nope; choose from frozen-batch-stats, .*far-domain"):
        chosen(["three-images", "nope"])


@pytest.mark.parametrize("files", DRAWINGS, ids=lambda files: files.__name__)
def test_drawings_are_the_same_every_time_and_no_two_are_alike(files):
    drawn = files()
    assert drawn == files()
    assert max(Counter(drawn.values()).values()) == 1
    sides = {Image.open(io.BytesIO(encoded)).size for encoded in list(drawn.values())[::50]}
    assert sides == {(pictures.SIDE, pictures.SIDE)}


def test_copies_in_validation_are_other_files_of_the_same_pictures():
    drawn = pictures.few_painted_with_copies()
    first = {
        split: np.asarray(Image.open(io.BytesIO(next(data for path, data in drawn.items() if path.startswith(split)))))
        for split in ("train", "eval")
    }
    assert not np.array_equal(first["train"], first["eval"])
    assert np.corrcoef(first["train"].ravel(), first["eval"].ravel())[0, 1] > 0.99
