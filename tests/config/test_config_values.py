"""Where values come from, and what is derived from them."""

import itertools

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from pipeline.config import Config, effective_yaml, fingerprint, json_schema, load


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


def test_the_json_schema_accepts_the_defaults_and_refuses_an_unknown_key():
    schema = json_schema()
    jsonschema.validate(yaml.safe_load(effective_yaml(Config())), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"nmae": "x"}, schema)


@pytest.mark.parametrize("override", ["trainer.seed=8", "gate.max_mode_gap=0.04", "data.uri=photos"])
def test_what_influences_the_result_changes_the_fingerprint(override):
    assert fingerprint(load(None, [override])) != fingerprint(Config())


@pytest.mark.parametrize("override", ["output=elsewhere", "beam.num_workers=2", "push.destination=/models"])
def test_where_and_how_fast_does_not_change_the_fingerprint(override):
    assert fingerprint(load(None, [override])) == fingerprint(Config())


def test_a_configuration_is_never_changed():
    with pytest.raises(ValidationError):
        Config().trainer.seed = 8  # type: ignore[misc]
