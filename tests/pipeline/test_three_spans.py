"""Three deliveries, the second with its labels in another order: what a scheduled pipeline does with each.

Each training starts from the champion that there is by then.
"""

import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from components.registry.opening import open_registry
from pipeline.cli.registry import show_command
from pipeline.config import load
from pipeline.resolve import effective_registry, folders_of
from pipeline.runners.local import run as run_locally
from tests.conftest import SMALL, Finished

pytestmark = pytest.mark.engine


def numbers(folder: Path) -> dict[tuple[str, ...] | str, float]:
    """What monitoring shows: name, and the values of its labels in the order of their names -> number."""
    found: dict[tuple[str, ...] | str, float] = {}
    for path in folder.glob("frostgate-digits-*.prom"):
        for family in text_string_to_metric_families(path.read_text()):
            for one in family.samples:
                labels = [value for key, value in sorted(one.labels.items()) if key != "pipeline"]
                name = one.name.removeprefix("frostgate_")
                found[(name, *labels) if labels else name] = one.value
    return found


def epochs(finished: Finished) -> list[dict[str, float]]:
    """What the first phase of the training recorded."""
    evidence = json.loads((finished.newest("PushGate", "verdict") / "evidence.json").read_text())
    return evidence["history"]["phases"][0]["epochs"]


def test_the_poisoned_delivery_is_stopped_and_the_clean_ones_are_pushed(
    arrives, run_small, with_backbone: Path, tmp_path: Path, capsys
):
    # Half of 300 pictures is what there is to validate on.
    settings = [f"data.uri={tmp_path}/incoming/span-{{SPAN}}", "data.classes=['5', '6', '7', '8', '9']"]
    settings += ["data.eval_fraction=0.5", "gate.min_eval_examples=100", f"monitoring.textfile={tmp_path}"]
    # At the default rate a warm head does not learn the changed labels within its epochs.
    settings += ["trainer.warm_start=champion", "trainer.head.learning_rate=0.005"]
    arrives(1)
    first = run_small(with_backbone, *settings)
    assert (first.summary["status"], first.summary["spans"]) == ("pushed", [1]), first.summary["message"]
    sentence = "The training started cold: there is no champion yet."
    assert first.summary["verdict"]["warm_start"] == {"version": None, "sentence": sentence}
    assert first.summary["warnings"] == [sentence] and sentence in Path(first.summary["card"]).read_text()
    cold = epochs(first)
    assert run_small(with_backbone, *settings).summary["status"] == "unchanged"
    before = numbers(tmp_path)
    assert (before["run_status", "unchanged"], before["verdict", "PASS"], before["champion_version"]) == (1, 1, 1)

    arrives(2, names="67895")
    second = run_small(with_backbone, *settings)
    message = second.summary["message"]
    assert (second.summary["status"], second.summary["spans"]) == ("blocked", [2]), message
    # By its own measure the model is as good as the first; the champion knows better.
    assert second.summary["verdict"]["codes"] == ["G4"]
    by_itself = second.summary["verdict"]["measurements"]["C"]["value"]
    assert by_itself > first.summary["verdict"]["measurements"]["C"]["value"] - 0.1
    assert message.startswith("Blocked (G4 label order)") and "'5' is called '6'" in message
    assert message.endswith("Cause: the classes were called otherwise when the champion learnt them.")

    now = numbers(tmp_path)
    assert (now["run_status", "blocked"], now["verdict", "BLOCK"], now["check_fired", "label order", "G4"]) == (1, 1, 1)
    assert now["cause", "renamed_classes"] == 1
    assert now["newest_span"] == 2 and now["accuracy", "value", "C"] == by_itself
    # What is served, and since when all went well, is as it was.
    for name in ("champion_version", "champion_since_timestamp_seconds", "last_success_timestamp_seconds"):
        assert now[name] == before[name]

    arrives(3)
    third = run_small(with_backbone, *settings)
    assert (third.summary["status"], third.summary["spans"]) == ("pushed", [3]), third.summary["message"]
    assert third.summary["verdict"]["baseline"]["version"] == first.summary["registered_version"]
    assert third.versions == ["1", "2"]
    sentence = f"The training started from the weights of version {first.summary['registered_version']}."
    assert third.summary["verdict"]["warm_start"] == {"version": "1", "sentence": sentence}
    assert third.summary["warnings"] == [] and sentence in Path(third.summary["card"]).read_text()
    assert third.nodes["Backbone"] == "cached" and third.nodes["WarmStart"] == third.nodes["Trainer"] == "done"
    # In inference mode, after one epoch.
    assert epochs(third)[0]["train_loss"] < cold[0]["train_loss"]
    now = numbers(tmp_path)
    assert (now["run_status", "pushed"], now["verdict", "PASS"], now["check_fired", "label order", "G4"]) == (1, 1, 0)
    assert (now["newest_span"], now["champion_version"]) == (3, 2)
    assert now["last_success_timestamp_seconds"] > before["last_success_timestamp_seconds"]
    config = load(None, [SMALL, f"output={with_backbone}", *settings])
    versions = open_registry(effective_registry(config, folders_of(config))).versions()
    shown = ("frostgate.spans", "frostgate.decision", "frostgate.warm_started_from")
    assert [(*(version.tags[name] for name in shown), version.is_champion) for version in versions] == [
        ("1", "PASS", "none", False),
        ("2", "BLOCK", "1", False),
        ("3", "PASS", "1", True),
    ]
    show_command(None, None, [f"output={with_backbone}", *settings])
    assert "  warm_started_from: 1\n" in capsys.readouterr().out

    assert run_small(with_backbone, *settings).summary["status"] == "unchanged"
    # The champion is the run's own model by now.
    again = run_locally(config, again=True)
    assert again.status == "pushed"
    assert {node.id for node in again.nodes if node.status != "cached"} == {"Pusher", "RegistryPush"}
