"""Scheduled runs of which each starts from the champion before it."""

import json
from pathlib import Path

import pytest

from components.registry.opening import open_registry
from pipeline.cli.registry import show_command
from pipeline.config import load
from pipeline.resolve import effective_registry, folders_of
from pipeline.runners.local import run as run_locally
from tests.conftest import SMALL

pytestmark = pytest.mark.engine


def history(finished) -> dict:
    return json.loads((finished.newest("PushGate", "verdict") / "evidence.json").read_text())["history"]


def test_each_delivery_goes_on_from_the_champion_and_a_repetition_from_where_it_began(
    arrives, run_small, with_backbone: Path, tmp_path: Path, capsys
):
    told = [f"data.uri={tmp_path}/incoming/span-{{SPAN}}", "data.classes=['5', '6', '7', '8', '9']"]
    told += ["data.eval_fraction=0.5", "gate.min_eval_examples=100", "trainer.warm_start=champion"]
    arrives(1)
    first = run_small(with_backbone, *told)
    sentence = "The training started cold: there is no champion yet."
    assert first.summary["status"] == "pushed", first.summary["message"]
    assert first.summary["verdict"]["warm_start"] == {"version": None, "sentence": sentence}
    assert first.summary["warnings"] == [sentence] and sentence in Path(first.summary["card"]).read_text()
    cold = history(first)["phases"][0]["epochs"]

    arrives(2)
    second = run_small(with_backbone, *told)
    number, sentence = first.summary["registered_version"], "The training started from the weights of version 1."
    assert second.summary["status"] == "pushed", second.summary["message"]
    assert second.summary["verdict"]["warm_start"] == {"version": number, "sentence": sentence}
    assert second.summary["warnings"] == [] and sentence in Path(second.summary["card"]).read_text()
    assert second.nodes["Backbone"] == "cached" and second.nodes["WarmStart"] == second.nodes["Trainer"] == "done"
    # Pictures that neither model was trained on.
    assert history(second)["phases"][0]["epochs"][0]["eval_loss"] < cold[0]["eval_loss"]

    config = load(None, [SMALL, f"output={with_backbone}", *told])
    registry = open_registry(effective_registry(config, folders_of(config)))
    started = [one.tags["frostgate.warm_started_from"] for one in registry.versions()]
    assert started == ["none", "1"] and registry.versions()[-1].is_champion
    show_command(None, None, [f"output={with_backbone}", *told])
    assert "  warm_started_from: 1\n" in capsys.readouterr().out

    assert run_small(with_backbone, *told).summary["status"] == "unchanged"
    # The champion is the run's own model by now.
    again = run_locally(config, again=True)
    assert again.status == "pushed"
    assert {node.id for node in again.nodes if node.status != "cached"} == {"Pusher", "RegistryPush"}
