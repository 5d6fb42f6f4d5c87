"""What the pipeline connects, and what a new champion changes about it."""

from dataclasses import replace

import pytest

from pipeline.config import load
from pipeline.resolve import resolve

pytestmark = pytest.mark.tfx


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return resolve(load(None, [f"output={tmp_path_factory.mktemp('output')}"]))


def warm(plan):
    trainer = plan.config.trainer.model_copy(update={"warm_start": "champion"})
    return replace(plan, config=plan.config.model_copy(update={"trainer": trainer}))


def graph(plan):
    """Node -> its properties and, for each input, who makes it."""
    from pipeline.training import nodes

    return {
        node.id: (
            dict(node.exec_properties),
            {key: one.producer_component_id for key, one in node.inputs.items()},
        )
        for node in nodes(plan)
    }


def test_by_default_a_new_champion_changes_the_champions_node_and_nothing_else(plan):
    before, after = graph(plan), graph(replace(plan, baseline="7"))
    assert [name for name in before if before[name] != after[name]] == ["Champion"]
    assert before["Trainer"][1]["base_model"] == "Backbone" and "WarmStart" not in before
    fed = {name for name, (_, inputs) in before.items() if "Champion" in inputs.values()}
    assert fed == {"PushGate", "Pusher"}


def test_a_warm_start_puts_the_champion_before_the_trainer(plan):
    found = graph(warm(plan))
    assert found["Trainer"][1]["base_model"] == "WarmStart"
    assert {"Backbone", "Champion", "ImageExampleGen"} == set(found["WarmStart"][1].values())
    order = list(found)
    assert order.index("Champion") < order.index("WarmStart") < order.index("Trainer")
    assert order.count("Champion") == 1


def test_what_a_training_is_made_of_is_registered_and_does_not_follow_the_champion(plan):
    found, later = graph(warm(plan)), graph(replace(warm(plan), baseline="7"))
    key = found["WarmStart"][0]["training_key"]
    assert key == found["RegistryPush"][0]["training_key"] == later["WarmStart"][0]["training_key"]
    assert key in found["Trainer"][0]["custom_config"]
    assert key != graph(plan)["RegistryPush"][0]["training_key"]
