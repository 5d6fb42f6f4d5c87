"""The compiled file of data in spans: it looks before it trains."""

import json

import pytest

from pipeline.config_errors import ConfigRefused
from pipeline.runners.kubeflow.spec import steps_of
from tests.kubeflow.test_compile import compiled, executor, on_kubernetes

pytestmark = pytest.mark.tfx

SPANS = ("data.uri=s3://pictures/span-{SPAN}", "data.classes=[cat, dog]")


@pytest.fixture(scope="module")
def package():
    return compiled(
        *SPANS,
        "monitoring.pushgateway=http://pushgateway:9091",
        "kubeflow.secrets=[{name: AWS_SECRET_ACCESS_KEY, secret: s3, key: secret}]",
        "kubeflow.steps={News: {memory_gigabytes: 4, retries: 5}}",
    )


@pytest.fixture(scope="module")
def root(package):
    return package.spec["root"]["dag"]["tasks"]


def test_every_input_is_declared_and_comes_from_something_that_is_there(package, root):
    components, definitions = package.spec["components"], package.spec["root"]["inputDefinitions"]["parameters"]
    for name, task in root.items():
        component = components[task["componentRef"]["name"]]
        inputs = task["inputs"]["parameters"]
        assert set(inputs) == set(component["inputDefinitions"]["parameters"]), name
        for one in inputs.values():
            if "componentInputParameter" in one:
                assert one["componentInputParameter"] in definitions
            elif "taskOutputParameter" in one:
                assert one["taskOutputParameter"]["producerTask"] == "News" and task["dependentTasks"] == ["News"]
                assert (
                    one["taskOutputParameter"]["outputParameterKey"]
                    in (components["comp-News"]["outputDefinitions"]["parameters"])
                )
        if "dag" not in component:
            assert component["executorLabel"] in package.spec["deploymentSpec"]["executors"]


def test_one_of_two_branches_runs(root):
    conditions = {name: task.get("triggerPolicy", {}).get("condition") for name, task in root.items()}
    assert conditions == {
        "News": None,
        "Unchanged": "inputs.parameter_values['new'] == 'no'",
        "training": "inputs.parameter_values['new'] == 'yes'",
        "Ended": None,
        "NewsEnded": None,
    }
    assert "dependentTasks" not in root["News"]


def test_both_what_looks_and_what_trains_have_a_step_after_them_and_no_other_task_has_two(root):
    after = {name: task["dependentTasks"] for name, task in root.items() if "strategy" in task.get("triggerPolicy", {})}
    # The backend hangs such a step on every task that it depends on.
    assert after == {"Ended": ["training"], "NewsEnded": ["News"]}
    for name, (before,) in after.items():
        assert root[name]["inputs"]["parameters"]["status"] == {"taskFinalStatus": {"producerTask": before}}


def test_the_step_after_the_look_is_the_other_one_but_quieter(package):
    ended, after_look = executor(package, "Ended"), executor(package, "NewsEnded")
    assert after_look == ended | {"args": [*ended["args"], "--only-broken-off"]}
    assert on_kubernetes(package, "NewsEnded") == on_kubernetes(package, "Ended")
    assert on_kubernetes(package, "Unchanged") == on_kubernetes(package, "Pushed")


def test_the_look_knows_all_that_makes_a_run_and_is_never_cached(package, root):
    definitions = package.spec["root"]["inputDefinitions"]["parameters"]
    assert definitions["again"]["parameterType"] == "BOOLEAN" and definitions["again"]["defaultValue"] is False
    given = root["News"]["inputs"]["parameters"]
    assert {one["componentInputParameter"] for one in given.values()} == set(definitions)
    assert root["News"]["cachingOptions"] == root["Unchanged"]["cachingOptions"] == {}
    # The same facts and secrets as every other step, and no GPU.
    container, trainer = executor(package, "News"), executor(package, "Trainer")
    assert container["env"] == trainer["env"] and container["image"] == trainer["image"]
    assert "accelerator" not in container["resources"] and container["resources"]["memoryLimit"] == 4.0
    assert root["News"]["retryPolicy"]["maxRetryCount"] == 5
    found = on_kubernetes(package, "News")
    assert found["secretAsEnv"] == on_kubernetes(package, "Trainer")["secretAsEnv"]
    assert found["pvcMount"] == [{"constant": "frostgate", "mountPath": "/frostgate"}]


def test_the_run_itself_is_what_it_is_without_spans(package):
    plain = compiled("data.uri=s3://pictures", "data.classes=[cat, dog]")
    assert set(steps_of(package.spec)) == set(steps_of(plain.spec)) and package.num_steps == plain.num_steps + 1
    assert set(plain.spec["root"]["dag"]["tasks"]) == {"training", "Ended"}
    assert "again" not in plain.spec["root"]["inputDefinitions"]["parameters"]
    assert "News" not in json.dumps(list(plain.spec["components"]))


def test_a_look_that_is_cached_would_hide_what_is_new():
    with pytest.raises(ConfigRefused, match="would hide what is new"):
        compiled(*SPANS, "kubeflow.steps={News: {cache: true}}")
    with pytest.raises(ConfigRefused, match="must be a step of a pipeline"):
        compiled("kubeflow.steps={News: {cpu: 1}}")
