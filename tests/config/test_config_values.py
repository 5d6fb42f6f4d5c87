"""Where values come from, and what is derived from them."""

import itertools

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from pipeline.config import Config, effective_yaml, fingerprint, json_schema, load, overridden
from pipeline.config_errors import all_keys, field_at


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("trainer:\n  seed: 1\n  head: {epochs: 3, dropout: 0.5}\nname: from-file\n")
    return str(path)


def test_overrides_win_over_the_environment_over_the_file_over_defaults(file):
    environ = {"FROSTGATE__TRAINER__SEED": "2", "FROSTGATE__TRAINER__HEAD__EPOCHS": "4", "SEED": "9"}
    config = load(file, ["trainer.seed=3"], environ)
    assert config.trainer.seed == 3
    assert config.trainer.head.epochs == 4
    assert config.trainer.head.dropout == 0.5
    assert config.trainer.head.patience == Config().trainer.head.patience
    assert config.name == "from-file"


def test_the_last_of_two_overrides_wins_and_sections_are_laid_over_each_other():
    config = load(None, ["trainer.head={epochs: 3}", "trainer.head.patience=2", "trainer.head.epochs=5"])
    assert (config.trainer.head.epochs, config.trainer.head.patience) == (5, 2)


def test_nothing_said_means_the_defaults(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert load(str(tmp_path / "empty.yaml")) == load() == Config()


def test_texts_stay_as_they_were_typed():
    config = load(None, ["name=007", "data.uri=1e3", "trainer.mixed_precision=on"], {"FROSTGATE__OUTPUT": "a: b"})
    assert (config.name, config.data.uri, config.trainer.mixed_precision) == ("007", "1e3", "on")
    assert config.output == "a: b"


def test_a_variable_fills_a_key_below_its_section():
    config = load(environ={"FROSTGATE__DATA__URI": "/data/cats", "frostgate__trainer__seed": "3", "DATA__URI": "/x"})
    assert (config.data.uri, config.trainer.seed) == ("/data/cats", 3)


def test_one_section_may_be_written_once_and_merged_into_another(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "trainer:\n  head: &often {epochs: 3, patience: 2}\n  fine_tune: {<<: *often, epochs: 4}\n"
    )
    trainer = load(str(tmp_path / "run.yaml")).trainer
    assert (trainer.head.epochs, trainer.head.patience) == (3, 2)
    assert (trainer.fine_tune.epochs, trainer.fine_tune.patience) == (4, 2)


def test_yes_and_no_are_class_names_not_booleans():
    assert load(None, ["data.classes=[no, yes]"]).data.classes == ("no", "yes")


def test_the_shown_configuration_reads_back_as_the_same(tmp_path):
    config = load(None, ["data.classes=['5', 'on', 'a: b', 'é#']", "trainer.fine_tune.blocks=all", "data.uri=~"])
    (tmp_path / "shown.yaml").write_text(effective_yaml(config))
    assert load(str(tmp_path / "shown.yaml")) == config


def test_every_shown_key_has_its_meaning_above_it():
    lines = effective_yaml(Config()).splitlines()
    for before, line in itertools.pairwise(lines):
        assert line.lstrip().startswith("#") or not line or before.lstrip().startswith("# "), line


def test_every_field_of_every_section_says_what_it_means():
    keys = list(all_keys(Config))
    assert {"name", "data.uri", "backbone.pretrain.epochs", "registry.alias", "beam.num_workers"} <= set(keys)
    fields = {key: field_at(Config, key.split(".")) for key in keys}
    assert [key for key, field in fields.items() if field is None or not field.description] == []


def test_the_json_schema_accepts_the_defaults_and_refuses_an_unknown_key():
    schema = json_schema()
    jsonschema.validate(yaml.safe_load(effective_yaml(Config())), schema)
    jsonschema.validate({"data": {"uri": "/cats", "classes": ["cat", "dog"]}, "trainer": {"seed": 3}}, schema)


@pytest.mark.parametrize(
    "bad",
    [
        {"nmae": "x"},
        {"trainer": {"head": {"dropot": 0.1}}},
        {"trainer": {"seed": "seven"}},
        {"gate": {"min_first_accuracy": 85}},
        {"data": {"format": "zip"}},
        {"name": "A b"},
        ["name"],
    ],
)
def test_the_json_schema_refuses_what_load_refuses(bad):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bad, json_schema())


@pytest.mark.parametrize(
    "override",
    [
        "trainer.seed=8",
        "trainer.head.dropout=0.3",
        "gate.max_mode_gap=0.04",
        "data.uri=photos",
        "data.eval_fraction=0.2",
        "transform.image_size=64",
        "backbone.pretrain.epochs=3",
        "evaluation.slice_features=[format]",
        "serving_check.num_examples=8",
    ],
)
def test_what_influences_the_result_changes_the_fingerprint(override):
    assert fingerprint(load(None, [override])) != fingerprint(Config())


@pytest.mark.parametrize(
    "override",
    ["name=cats", "output=elsewhere", "beam.num_workers=2", "push.destination=/models", "registry.model_name=cats"],
)
def test_where_and_how_fast_does_not_change_the_fingerprint(override):
    assert fingerprint(load(None, [override])) == fingerprint(Config())


def test_a_configuration_is_never_changed():
    with pytest.raises(ValidationError):
        Config().trainer.seed = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    ("overrides", "size"),
    [
        ([], 32),
        (["backbone.weights=imagenet"], 224),
        (["backbone.weights=imagenet", "backbone.kind=convnext_tiny"], 224),
        (["backbone.weights=imagenet", "transform.image_size=64"], 64),
        (["backbone.weights=none", "backbone.kind=resnet50_v2"], 32),
    ],
)
def test_pictures_are_as_large_as_the_published_weights_saw_them_unless_somebody_says_otherwise(overrides, size):
    config = load(None, overrides)
    assert config.transform.image_size == size
    # The size is decided once: another override does not change it.
    assert overridden(config, {"trainer.seed": 8}, "test").transform.image_size == size
