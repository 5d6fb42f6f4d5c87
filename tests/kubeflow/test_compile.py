"""The compiled file: complete, accepted by the backend, and the one that is committed."""

import difflib
import json
import re
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
from kfp.pipeline_spec import pipeline_spec_pb2 as specs

from components.backbone.kinds import KINDS
from components.errors import DataRefused
from pipeline.config import load
from pipeline.config_errors import ConfigRefused
from pipeline.runners.kubeflow.spec import steps_of
from tests.kubeflow.pods import lacks, steps_pods

pytestmark = pytest.mark.tfx

ROOT = Path(__file__).parents[2]
IMAGE = f"kubeflow.image=frostgate@sha256:{64 * '0'}"
# How the backend's own compiler reads a type; anything else it refuses.
_TEMPLATE_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?")


def compiled(*overrides, pipeline="training"):
    from pipeline.runners.kubeflow.compiling import compile_pipeline

    return compile_pipeline(load(None, [IMAGE, *overrides]), pipeline)


@pytest.fixture(scope="module")
def looking():
    return compiled("serving_log.uri=/frostgate/requests", pipeline="monitoring")


@pytest.fixture(scope="module")
def alerting():
    """The monitoring pipeline with everything that it may have."""
    return compiled(
        "serving_log.uri=s3://logs/cats",
        "drift.on_alert=train",
        "data.uri=/nowhere",
        "monitoring.pushgateway=http://pushgateway:9091",
        "kubeflow.parameters=[serving_log.uri, drift.num_days, drift.significance, trainer.head.epochs]",
        "kubeflow.env={TZ: UTC}",
        "kubeflow.secrets=[{name: FROSTGATE_NOTIFY_URL, secret: chat, key: url}]",
        "kubeflow.steps={Trainer: {gpus: 2}, StatisticsGen: {cpu: 8}, DistributionValidator: {cpu: 2}}",
        pipeline="monitoring",
    )


@pytest.fixture(scope="module")
def plain():
    return compiled()


@pytest.fixture(scope="module")
def everything():
    return compiled(
        "repair=batch_norm",
        "kubeflow.gpus=4",
        "kubeflow.env={TZ: UTC}",
        "kubeflow.secrets=[{name: AWS_SECRET_ACCESS_KEY, secret: s3, key: secret}]",
        "kubeflow.node_selector={gpu: a100}",
        "kubeflow.node_affinity=[{key: zone, values: [a, b]}, {key: spot, operator: Exists, weight: 50}]",
        "kubeflow.image_pull_secrets=[registry]",
        "kubeflow.steps={Transform: {cpu: 16, memory_gigabytes: 64, beam_args: [--direct_num_workers=16]}, "
        "Card: {cpu: 0.5}, PushGate: {gpus: 1, retries: 0, cache: false, timeout_seconds: 600}}",
    )


@pytest.fixture(scope="module")
def warm():
    return compiled("trainer.warm_start=champion")


@pytest.fixture(scope="module")
def spans():
    return compiled("data.uri=/frostgate/digits/span-{SPAN}", "data.classes=[a, b]")


def executor(package, step):
    return package.spec["deploymentSpec"]["executors"][f"exec-{step}"]["container"]


def on_kubernetes(package, step):
    return package.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"exec-{step}"]


@pytest.mark.parametrize(("which", "file"), [("plain", "training.yaml"), ("looking", "monitoring.yaml")])
def test_the_committed_file_is_what_the_pipeline_compiles_to(which, file, request):
    golden = ROOT / "kubeflow" / file
    before, now = golden.read_text().splitlines(), request.getfixturevalue(which).to_yaml().splitlines()
    difference = [line[:200] for line in difflib.unified_diff(before, now, f"kubeflow/{file}", "now", n=2, lineterm="")]
    assert not difference, "\n".join(
        [f"kubeflow/{file} is not what the pipeline compiles to; look, then run `make golden`:", *difference]
    )


@pytest.mark.parametrize("which", ["plain", "everything", "spans", "looking", "alerting"])
def test_it_parses_with_the_official_messages_and_nothing_is_unknown(which, request):
    package = request.getfixturevalue(which)
    spec = json_format.ParseDict(package.spec, specs.PipelineSpec())
    json_format.ParseDict(package.spec["deploymentSpec"], specs.PipelineDeploymentConfig())
    json_format.ParseDict(package.platform, specs.PlatformSpec())
    for one in package.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        # A message of newer backends; those before drop what they do not know.
        known = {key: value for key, value in one.items() if key != "securityContext"}
        json_format.ParseDict(known, kubernetes.KubernetesExecutorConfig())
    assert spec.schema_version == "2.1.0"
    first, second = yaml.safe_load_all(package.to_yaml())
    assert (first, second) == (package.spec, package.platform)


@pytest.mark.parametrize("which", ["plain", "everything", "looking", "alerting"])
def test_it_holds_nothing_that_the_backend_refuses(which, request):
    spec = request.getfixturevalue(which).spec
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", spec["pipelineInfo"]["name"])
    assert set(spec) == {"components", "deploymentSpec", "pipelineInfo", "root", "schemaVersion", "sdkVersion"}
    tasks, components = steps_of(spec), spec["components"]
    for label, one in spec["deploymentSpec"]["executors"].items():
        # No resolver, no importer, no custom job, and no hook that nobody runs.
        assert set(one) == {"container"}, label
        assert set(one["container"]) <= {"image", "command", "args", "env", "resources"}, label
    for name, task in tasks.items():
        assert _TEMPLATE_NAME.fullmatch(name)
        component = components[task["componentRef"]["name"]]
        assert component["executorLabel"] in spec["deploymentSpec"]["executors"]
        assert "iterator" not in json.dumps(task).lower()
        declared, given = component.get("inputDefinitions", {}), task.get("inputs", {})
        assert set(given.get("parameters", {})) == set(declared.get("parameters", {})), name
        assert set(given.get("artifacts", {})) == set(declared.get("artifacts", {})), name
        for one in given.get("artifacts", {}).values():
            source = one["taskOutputArtifact"]
            assert source["producerTask"] in task["dependentTasks"]
            made = components[tasks[source["producerTask"]]["componentRef"]["name"]]["outputDefinitions"]["artifacts"]
            assert source["outputArtifactKey"] in made
        for key, parameter in given.get("parameters", {}).items():
            if "componentInputParameter" in parameter:
                assert parameter["componentInputParameter"] in spec["root"]["inputDefinitions"]["parameters"]
            elif "taskOutputParameter" in parameter:
                assert parameter["taskOutputParameter"]["producerTask"] in task["dependentTasks"]
            else:
                # The driver takes these for its own, which is wanted in two places.
                is_placeholder = str(parameter["runtimeValue"]["constant"]).startswith("{{$.")
                assert is_placeholder == ((name, key) in {("RegistryPush", "kfp_run_id"), ("Train", "run")})
    for component in components.values():
        for side in ("inputDefinitions", "outputDefinitions"):
            for one in component.get(side, {}).get("artifacts", {}).values():
                kind = one["artifactType"]
                # The metadata store takes a type by its title, and dies without one.
                assert kind.get("schemaTitle") or yaml.safe_load(kind["instanceSchema"])["title"]


FILES = [ROOT / "kubeflow" / "training.yaml", ROOT / "kubeflow" / "monitoring.yaml"]


def documents(which, request):
    """Both documents of a compiled pipeline, or of a committed file."""
    if isinstance(which, Path):
        return list(yaml.safe_load_all(which.read_text()))
    package = request.getfixturevalue(which)
    return [package.spec, package.platform]


def tasks_of(spec):
    """Every task of every graph: component's name of the graph, or root -> task's name -> task."""
    graphs = {"root": spec["root"], **{name: one for name, one in spec["components"].items() if "dag" in one}}
    return {name: one["dag"]["tasks"] for name, one in graphs.items()}


EVERY = ["plain", "everything", "warm", "spans", "looking", "alerting", *FILES]


@pytest.mark.parametrize("which", EVERY, ids=str)
def test_a_task_takes_an_artifact_once(which, request):
    # The backend's metadata store keeps one event of an execution and an artifact; the driver fails at a second.
    spec, _ = documents(which, request)
    for tasks in tasks_of(spec).values():
        for name, task in tasks.items():
            taken = [one["taskOutputArtifact"] for one in task.get("inputs", {}).get("artifacts", {}).values()]
            sources = [(one["producerTask"], one["outputArtifactKey"]) for one in taken]
            assert len(sources) == len(set(sources)), name


@pytest.mark.parametrize("which", EVERY, ids=str)
def test_two_steps_never_share_a_cached_execution(which, request):
    # Two outputs that are one artifact would be taken twice by whoever takes both.
    spec, _ = documents(which, request)
    cached = [
        json.dumps(spec["deploymentSpec"]["executors"][component["executorLabel"]])
        for tasks in tasks_of(spec).values()
        for component, task in ((spec["components"][one["componentRef"]["name"]], one) for one in tasks.values())
        if task["cachingOptions"].get("enableCache")
    ]
    assert cached and len(cached) == len(set(cached))


@pytest.mark.parametrize("which", EVERY, ids=str)
def test_a_step_may_be_tried_again_until_its_last_try_is_over(which, request):
    # Argo counts from the start of the first try, and stops a try that still runs when the time is over.
    spec, platform = documents(which, request)
    executors, tried = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"], 0
    for tasks in tasks_of(spec).values():
        for name, task in tasks.items():
            if policy := task.get("retryPolicy"):
                label = spec["components"][task["componentRef"]["name"]]["executorLabel"]
                timeout = int(executors[label].get("activeDeadlineSeconds", 86_400))
                longest = int(policy["backoffMaxDuration"].removesuffix("s"))
                pauses = sum(60 * 2**number for number in range(policy["maxRetryCount"]))
                assert longest > (policy["maxRetryCount"] + 1) * timeout + pauses, name
                tried += 1
    assert tried >= 5


def _in_json(value):
    """Bytes of a value that is a text in a workflow: JSON within JSON."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return len(json.dumps(text))


def nodes_of_run(spec, platform):
    """Bytes of the nodes of a run's workflow in which every step ran, estimated: what Argo keeps of each of them.

    A driver's node and its attempt have the step's component, task, container and platform, and hand on the pod; the
    step's node, its attempt, its pod's node and that one's attempt are given the pod. The pod has the command with the
    component and the executor input. Of a run that was recorded on 2.17.0 it says 1.65 MB, where 1.7 MB were seen.
    """
    executors, total = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"], 0
    place = "minio://mlpipeline/v2/artifacts/digits/RUN-OF-36-CHARACTERS/STEP/TASK-OF-36-CHARACTERS/".ljust(140, "-")
    output = {"name": "", "uri": place, "type": {"instanceSchema": ""}}
    given = output | {"metadata": {"store_session_info": 330 * "-", "tfx_version": "1.16.0"}}
    for tasks in tasks_of(spec).values():
        for task in tasks.values():
            component = spec["components"][task["componentRef"]["name"]]
            if "dag" in component:
                total += 2 * (_in_json(component) + _in_json(task))
                continue
            container = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
            of_platform = executors[component["executorLabel"]]
            parameters = task.get("inputs", {}).get("parameters", {})
            message = {
                "parameterValues": {
                    key: one.get("runtimeValue", {}).get("constant", 40 * "-") for key, one in parameters.items()
                },
                "inputs": dict.fromkeys(task.get("inputs", {}).get("artifacts", {}), given),
                "outputs": dict.fromkeys(component.get("outputDefinitions", {}).get("artifacts", {}), output),
            }
            launched = [800 * "-", json.dumps(message), json.dumps(component), *container["command"]]
            pod = _in_json(container | {"command": launched, "platform": of_platform})
            times = 2 if "condition" in task.get("triggerPolicy", {}) else 6
            total += 2 * sum(map(_in_json, (component, task, container, of_platform))) + times * pod + 6 * 500
    return total


@pytest.mark.parametrize(("file", "most"), [("training", 1_100_000), ("monitoring", 340_000)])
def test_a_runs_workflow_does_not_grow(file, most):
    # Above 1 MiB Argo compresses it, and the API's list of the run's tasks stops there.
    spec, platform = yaml.safe_load_all((ROOT / "kubeflow" / f"{file}.yaml").read_text())
    assert nodes_of_run(spec, platform) < most


def test_the_executor_is_given_one_artifact_under_both_its_names(looking):
    task = steps_of(looking.spec)["DistributionValidator"]
    assert set(task["inputs"]["artifacts"]) == {"baseline_statistics"}
    arguments = executor(looking, "DistributionValidator")["args"]
    at = arguments.index("--same")
    assert arguments[at + 1 : at + 3] == ["statistics", "baseline_statistics"]


def test_steps_that_look_at_the_world_are_never_cached(plain):
    cached = {name: task["cachingOptions"].get("enableCache", False) for name, task in steps_of(plain.spec).items()}
    assert not any(cached[name] for name in ("ImageExampleGen", "Champion", "Pusher", "RegistryPush", "Pushed"))
    assert cached["Trainer"] and cached["Transform"] and cached["PushGate"]


def test_only_what_trains_is_given_a_gpu(everything):
    accelerators = {
        label.removeprefix("exec-"): one["container"]["resources"]["accelerator"]
        for label, one in everything.spec["deploymentSpec"]["executors"].items()
        if "accelerator" in one["container"]["resources"]
    }
    four, one = ({"type": "nvidia.com/gpu", "count": number} for number in ("4", "1"))
    assert accelerators == {"Trainer": four, "Backbone": four, "PushGate": one}
    for name in accelerators:
        found = on_kubernetes(everything, name)
        assert found["nodeSelector"] == {"labels": {"gpu": "a100"}}
        assert found["nodeAffinity"] == [
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]},
            {"matchExpressions": [{"key": "spot", "operator": "Exists"}], "weight": 50},
        ]
        assert found["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
        assert {
            "volumeName": "shared-memory",
            "mountPath": "/dev/shm",
            "medium": "Memory",
            "sizeLimit": "1Gi",
        } in found["emptyDirMounts"]
    assert "tolerations" not in on_kubernetes(everything, "Transform")


def test_exceptions_reach_their_step_and_no_other(everything):
    tasks = steps_of(everything.spec)
    assert executor(everything, "Transform")["resources"] == {
        **{"cpuLimit": 16.0, "cpuRequest": 1.0},
        **{"memoryLimit": 64.0, "memoryRequest": 3.0},
    }
    # A request never exceeds its limit.
    assert executor(everything, "Card")["resources"]["cpuRequest"] == 0.5
    assert executor(everything, "Transform")["args"][-1] == "--direct_num_workers=16"
    assert "--direct_num_workers=16" not in executor(everything, "StatisticsGen")["args"]
    assert "retryPolicy" not in tasks["PushGate"] and tasks["PushGate"]["cachingOptions"] == {}
    policy = tasks["Trainer"]["retryPolicy"]
    assert (policy["maxRetryCount"], policy["backoffDuration"], policy["backoffFactor"]) == (2, "60s", 2.0)
    assert on_kubernetes(everything, "PushGate")["activeDeadlineSeconds"] == "600"
    assert on_kubernetes(everything, "Trainer")["activeDeadlineSeconds"] == "86400"


def test_secrets_come_by_reference_and_the_volume_is_everywhere(everything):
    for name in ("Trainer", "Pusher", "RegistryPush"):
        found = on_kubernetes(everything, name)
        assert found["secretAsEnv"] == [
            {"secretName": "s3", "keyToEnv": [{"secretKey": "secret", "envVar": "AWS_SECRET_ACCESS_KEY"}]}
        ]
        assert found["pvcMount"] == [{"constant": "frostgate", "mountPath": "/frostgate"}]
        assert found["imagePullSecret"] == [{"secretName": "registry"}]
        assert {"name": "TZ", "value": "UTC"} in executor(everything, name)["env"]


def test_another_user_is_asked_for_as_newer_backends_read_it(plain):
    # `securityContext` has int64s of the backend's KubernetesExecutorConfig, which kfp 2.13 does not have.
    other = compiled("kubeflow.run_as_user=4711")
    user = {"runAsUser": "4711", "runAsGroup": "4711", "runAsNonRoot": True}
    assert all(on_kubernetes(other, name)["securityContext"] == user for name in ("Trainer", "Blocked", "Ended"))
    assert "runAsUser" not in plain.to_yaml()


@pytest.mark.parametrize("which", EVERY, ids=str)
def test_no_step_has_rights_that_it_does_not_need(which, request):
    # Two wishes of ours are left, which a compiled file has no words for and `restricted` does not ask for.
    for name, pod in steps_pods(*documents(which, request)).items():
        assert lacks(pod) == {"no token", "read-only root"}, name


def test_run_parameters_keep_their_types_and_defaults_and_reach_only_whom_they_concern(plain):
    definitions = plain.spec["root"]["inputDefinitions"]["parameters"]
    kinds = {name: (one["parameterType"], one["defaultValue"]) for name, one in definitions.items()}
    assert kinds["data_uri"] == ("STRING", "embedded:digits-5-9")
    assert kinds["transform_image_size"] == ("NUMBER_INTEGER", 32)
    assert kinds["gate_max_mode_gap"] == ("NUMBER_DOUBLE", 0.05)
    tasks = steps_of(plain.spec)
    takers = {
        name: {task for task, one in tasks.items() if f"run--{name}" in one.get("inputs", {}).get("parameters", {})}
        for name in definitions
    }
    assert takers["gate_max_mode_gap"] == {"PushGate", "RegistryPush"}
    assert "Trainer" in takers["trainer_head_epochs"] and "Backbone" not in takers["trainer_head_epochs"]
    assert {"Transform", "Backbone", "Trainer"} <= takers["transform_image_size"]
    assert {"ImageExampleGen", "Trainer"} <= takers["data_uri"] and "Transform" not in takers["data_uri"]


def test_the_last_step_comes_however_the_run_ended_and_has_the_secrets(everything):
    run, ended = (everything.spec["root"]["dag"]["tasks"][name] for name in ("training", "Ended"))
    assert ended["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert ended["dependentTasks"] == ["training"]
    assert ended["inputs"]["parameters"]["status"] == {"taskFinalStatus": {"producerTask": "training"}}
    given = everything.spec["root"]["inputDefinitions"]["parameters"]
    assert run["inputs"]["parameters"] == {name: {"componentInputParameter": name} for name in given}
    assert on_kubernetes(everything, "Ended")["secretAsEnv"] and "pvcMount" not in on_kubernetes(everything, "Ended")
    assert executor(everything, "Ended")["env"] == [{"name": "TZ", "value": "UTC"}]


def test_the_last_step_tells_a_gateway_where_there_is_one(plain):
    told = compiled("monitoring.pushgateway=http://pushgateway:9091")
    assert executor(told, "Ended")["args"][-2:] == ["--pushgateway", "http://pushgateway:9091"]
    assert "--pushgateway" not in executor(plain, "Ended")["args"]


def test_any_other_key_may_be_made_a_run_parameter():
    definitions = compiled("kubeflow.parameters=[trainer.augment.flip, trainer.seed]").spec["root"]["inputDefinitions"]
    assert definitions["parameters"]["trainer_augment_flip"]["parameterType"] == "BOOLEAN"
    assert definitions["parameters"]["trainer_seed"]["defaultValue"] == 7


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("kubeflow.image=frostgate:latest", "by digest"),
        ("kubeflow.image=", "it is empty"),
        ("kubeflow.image=frostgate@sha256:abc", "64 hexadecimal digits"),
        ("data.uri=pictures", "every step can reach; received pictures"),
        ("data.uri=/home/me/pictures", "use one below /frostgate, gs:// or s3://"),
        ("data.uri=s3://me:pass@bucket", "data.uri must hold no password"),
        ("monitoring.pushgateway=http://me:pass@gateway", "monitoring.pushgateway must hold no password"),
        ("push.destination=/models", "push.destination must be an address"),
        ("push.destination=s3://models", "push.destination must be an address"),
        ("backbone.weights=./my.weights.h5", "backbone.weights must be an address"),
        ("registry.uri=sqlite:///mlflow.db", "registry.uri must be an address"),
        ("kubeflow.env={FROSTGATE_COMPILED: x}", "leave FROSTGATE_COMPILED alone"),
        ("kubeflow.parameters=[data.url]", "Did you mean data.uri?"),
        ("kubeflow.parameters=[kubeflow.gpus]", "compiled into the file"),
        ("registry.uri=https://me:pass@mlflow", "must hold no password"),
        ("kubeflow.steps={Trainr: {cpu: 1}}", "did you mean Trainer?"),
        ("kubeflow.steps={Pusher: {cache: true}}", "would hide what is new"),
        ("kubeflow.parameters=[trainer.head]", "trainer.head"),
        ("kubeflow.parameters=[data.uri, data.uri]", "received data_uri twice"),
    ],
)
def test_what_does_not_do_for_a_cluster_is_one_sentence(override, sentence):
    with pytest.raises(ConfigRefused) as refused:
        compiled(override)
    assert sentence in str(refused.value) and len(refused.value.problems) == 1
    assert "pass" not in str(refused.value).replace("password", "").replace("PASSWORD", "")


KUBEFLOW_REGISTRY = ("registry.kind=kubeflow", "registry.uri=http://registry:8080", "registry.storage=s3://models")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("registry.storage=models", "registry.storage must be an address that every step can reach; received "),
        ("registry.uri=https://me:pass@registry", "KF_PIPELINES_SA_TOKEN_PATH in kubeflow.env"),
    ],
)
def test_a_kubeflow_registry_must_do_for_a_cluster_too(override, sentence):
    with pytest.raises(ConfigRefused) as refused:
        compiled(*KUBEFLOW_REGISTRY, override)
    assert sentence in str(refused.value) and len(refused.value.problems) == 1 and "me:pass" not in str(refused.value)


def test_every_step_that_asks_the_registry_is_told_which_one():
    spec = compiled(*KUBEFLOW_REGISTRY).spec
    tasks = steps_of(spec)
    parameters = [
        tasks[step]["inputs"]["parameters"][name]["runtimeValue"]["constant"]
        for step, name in (("Champion", "settings"), ("Pusher", "registry"), ("RegistryPush", "settings"))
    ]
    told = {"kind": "kubeflow", "uri": "http://registry:8080", "storage": "s3://models", "model_name": "digits"}
    assert all(told.items() <= json.loads(text).items() for text in parameters)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "resnet50"])
def test_every_kind_of_backbone_reaches_its_step(kind):
    package = compiled(f"backbone.kind={kind}")
    for step in ("Backbone", "Trainer"):
        assert kind in json.dumps(executor(package, step)), step


def test_classes_must_be_given_where_the_data_cannot_be_read():
    missing = "data.uri=/frostgate/pictures"
    with pytest.raises(DataRefused, match=re.escape("--set 'data.classes=[cat, dog]'")):
        compiled(missing)
    assert compiled(missing, "data.classes=[cat, dog]").spec["pipelineInfo"]["name"] == "digits"


def test_looks_are_a_pipeline_of_their_own_that_trains_nothing(looking, alerting):
    assert looking.spec["pipelineInfo"]["name"] == "digits-monitoring" and looking.num_steps == 5
    marks = {"Quiet", "Drift", "Undecided"}
    nodes = {"Champion", "ServingLogGen", "StatisticsGen", "DistributionValidator", "DriftGate"}
    assert set(steps_of(looking.spec)) == nodes | marks
    assert set(steps_of(alerting.spec)) == nodes | marks | {"Train"} and alerting.num_steps == 5
    assert "accelerator" not in json.dumps(alerting.spec)
    cached = {name for name, task in steps_of(looking.spec).items() if task["cachingOptions"].get("enableCache")}
    assert cached == {"StatisticsGen", "DistributionValidator"}
    assert executor(alerting, "StatisticsGen")["resources"]["cpuLimit"] == 8.0


def test_a_look_asks_for_the_champion_and_the_day_when_it_runs(looking):
    tasks = steps_of(looking.spec)
    assert tasks["Champion"]["inputs"]["parameters"]["version"]["runtimeValue"]["constant"] == "latest"
    log = tasks["ServingLogGen"]["inputs"]["parameters"]
    assert log["until"]["runtimeValue"]["constant"] == "" and log["uri"]["runtimeValue"]["constant"].startswith(
        "/frost"
    )
    definitions = looking.spec["root"]["inputDefinitions"]["parameters"]
    assert {name: one["defaultValue"] for name, one in definitions.items()} == {"until": ""}


def test_a_look_may_be_told_what_concerns_it_and_nothing_else(alerting):
    definitions = alerting.spec["root"]["inputDefinitions"]["parameters"]
    assert set(definitions) == {"until", "serving_log_uri", "drift_num_days", "drift_significance"}
    takers = {
        name: {task for task, one in steps_of(alerting.spec).items() if f"run--{name}" in one["inputs"]["parameters"]}
        for name in definitions
    }
    both = {"ServingLogGen", "DriftGate"}
    assert takers["until"] == takers["drift_num_days"] == both
    assert takers["serving_log_uri"] == {"ServingLogGen"} and takers["drift_significance"] == {"DriftGate"}


def test_the_step_that_starts_a_training_comes_with_an_alert_alone(looking, alerting):
    tasks = steps_of(alerting.spec)
    assert tasks["Train"]["triggerPolicy"] == tasks["Drift"]["triggerPolicy"]
    assert tasks["Train"]["dependentTasks"] == ["DriftGate"]
    assert tasks["Train"]["retryPolicy"]["maxRetryCount"] == 2
    assert tasks["Train"]["inputs"]["parameters"]["until"] == {"componentInputParameter": "until"}
    assert "--until={{$.inputs.parameters['until']}}" in executor(alerting, "Train")["args"]
    told = executor(alerting, "Train")["command"]
    assert told[-4:] == ["--endpoint", "http://ml-pipeline.kubeflow:8888", "--pipeline", "digits"]
    assert executor(alerting, "Train")["env"] == [{"name": "TZ", "value": "UTC"}]
    found = on_kubernetes(alerting, "Train")
    assert found["secretAsEnv"] and "pvcMount" not in found
    assert "exec-Train" not in looking.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_the_step_after_a_look_is_told_which_day_was_looked_at(alerting):
    container = executor(alerting, "Ended")
    assert container["command"][-3:] == ["--pipeline", "digits", "--look"]
    assert "--until={{$.inputs.parameters['until']}}" in container["args"]
    ended = alerting.spec["root"]["dag"]["tasks"]["Ended"]
    assert ended["inputs"]["parameters"]["until"] == {"componentInputParameter": "until"}
    assert ended["dependentTasks"] == ["monitoring"]


LOG = "serving_log.uri=s3://logs/cats"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ([], "serving_log.uri must name the folder with the log of requests; it is empty"),
        (["serving_log.uri=requests"], "serving_log.uri must be an address that every step can reach"),
        (["serving_log.uri=s3://me:pass@logs"], "serving_log.uri must hold no password"),
        ([LOG, "drift.thresholds={brightness: 0.2}"], "drift.thresholds must name features that are compared"),
        ([LOG, "kubeflow.parameters=[drift.on_alert]"], "must not name drift.on_alert"),
        ([LOG, "kubeflow.parameters=[drift.thresholds]"], "drift.thresholds"),
        ([LOG, "kubeflow.endpoint=http://me:pass@api"], "kubeflow.endpoint must hold no password"),
        ([LOG, "kubeflow.steps={DriftGat: {cpu: 1}}"], "did you mean DriftGate?"),
        ([LOG, "kubeflow.steps={ServingLogGen: {cache: true}}"], "would hide what is new"),
        ([LOG, "kubeflow.image=frostgate:latest"], "by digest"),
    ],
)
def test_a_look_that_cannot_be_is_refused_when_it_is_compiled(overrides, sentence):
    with pytest.raises(DataRefused) as refused:
        compiled(*overrides, pipeline="monitoring")
    assert sentence in str(refused.value) and "me:pass" not in str(refused.value)


def test_the_log_may_be_left_to_each_run():
    left = compiled("kubeflow.parameters=[serving_log.uri]", pipeline="monitoring")
    assert left.spec["root"]["inputDefinitions"]["parameters"]["serving_log_uri"]["defaultValue"] == ""


def test_a_warm_start_is_a_step_between_the_champion_and_the_trainer(plain, warm):
    def fed(package, step):
        given = steps_of(package.spec)[step]["inputs"]["artifacts"]
        return {key: one["taskOutputArtifact"]["producerTask"] for key, one in given.items()}

    assert fed(plain, "Trainer")["base_model"] == "Backbone" and "WarmStart" not in steps_of(plain.spec)
    assert fed(warm, "Trainer")["base_model"] == "WarmStart"
    assert fed(warm, "WarmStart") == {
        "backbone": "Backbone", "baseline": "Champion", "ingest_report": "ImageExampleGen",
    }  # fmt: skip
    # The data are not known before the step runs; what the training is made of is found out there.
    assert "trainer_head_epochs" in json.dumps(steps_of(warm.spec)["WarmStart"]["inputs"])
