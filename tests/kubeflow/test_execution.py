"""The compiled file executed step by step as on the backend; the tests build on one run, in order."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from components.registry.opening import open_registry
from components.registry.settings import RegistrySettings
from pipeline.config import load
from tests.canaries import ENVIRONMENT, said_in
from tests.conftest import SMALL
from tests.kubeflow.backend import Backend, Execution

pytestmark = pytest.mark.engine

MARKS = ("Pushed", "Blocked", "Held", "Ended")
IMAGE = f"kubeflow.image=frostgate@sha256:{64 * '0'}"
BROKEN_MODELS = Path(__file__).parents[1] / "pipeline"


@pytest.fixture(scope="module")
def backend(small_run, tmp_path_factory):
    """A cluster whose volume has the pretrained backbone, and nothing else."""
    home = tmp_path_factory.mktemp("cluster")
    shutil.copytree(small_run.output / "cache" / "backbones", home / "volume" / "cache" / "backbones")
    # A pod that was given everything that a cluster may know of secrets.
    return Backend(home, environment=ENVIRONMENT)


def package(backend, name, *overrides):
    from pipeline.runners.kubeflow.compiling import compile_pipeline

    path = backend.home / f"{name}.yaml"
    config = load(None, [IMAGE, SMALL, f"kubeflow.mount={backend.home / 'volume'}", "kubeflow.retries=1", *overrides])
    path.write_text(compile_pipeline(config).to_yaml())
    return path


@pytest.fixture(scope="module")
def healthy(backend):
    return package(backend, "healthy")


@pytest.fixture(scope="module")
def run(backend, healthy) -> dict[str, Execution]:
    """The launcher is killed before the Trainer; the run is then retried, as the backend does, from where it was."""
    done: dict[str, Execution] = {}

    def killed(task, attempt):
        if task == "Trainer":
            raise KeyboardInterrupt

    backend.before = killed
    with pytest.raises(KeyboardInterrupt):
        backend.run(healthy, done=done)
    assert "Transform" in done and "Trainer" not in done
    backend.before = lambda task, attempt: None
    return backend.run(healthy, done=done)


def states(executions):
    return {name: one.state for name, one in executions.items()}


def verdict(backend, executions):
    return json.loads((backend.artifact(executions["PushGate"], "verdict") / "verdict.json").read_text())


def champion_of(backend):
    settings = RegistrySettings(uri=f"sqlite:///{backend.home}/volume/digits/mlflow.db", model_name="digits")
    found = open_registry(settings).champion()
    return found.version if found else None


def _comparable(found):
    # Names in a SavedModel's graph depend on what its process did before; what was learnt does not.
    return {name: value for name, value in found["fingerprints"].items() if name != "model"}


def versions(backend):
    return sorted(path.name for path in (backend.home / "volume" / "digits" / "models").glob("[0-9]*"))


def test_it_comes_to_the_local_runs_verdict_with_the_same_model(small_run, backend, run):
    failed = {name: one.log[-3_000:] for name, one in run.items() if one.state == "FAILED"}
    assert not failed, failed
    assert {name for name, state in states(run).items() if state == "SKIPPED"} == {"Blocked", "Held"}
    here, there = small_run.summary["verdict"], verdict(backend, run)
    assert there["decision"] == here["decision"] == "PASS"
    assert _comparable(there) == _comparable(here)
    assert there["measurements"] == here["measurements"]
    assert versions(backend) == ["1"] and champion_of(backend) == "1"


def test_no_secret_of_the_pods_is_in_bucket_volume_log_or_what_the_backend_keeps(backend, healthy, run):
    assert healthy.is_file() and verdict(backend, run)["decision"] == "PASS"
    assert said_in([repr(run).encode()], backend.home) == []


def test_the_run_says_in_the_user_interface_what_it_came_to(backend, run):
    card = run["Card"].artifacts
    page = backend.artifact(run["Card"], "page")
    assert page.is_file() and "Passed" in page.read_text()
    assert card["numbers"]["metadata"]["C"] == pytest.approx(0.956, abs=0.05)
    matrix = card["confusion"]["metadata"]["confusionMatrix"]["struct"]
    assert [one["displayName"] for one in matrix["annotationSpecs"]] == list("56789")
    assert sum(sum(row["row"]) for row in matrix["rows"]) == 297
    assert "Passed" in run["Pushed"].log


def test_a_property_survives_the_metadata_store(backend, run):
    blessing = run["PushGate"].artifacts["blessing"]["metadata"]
    assert blessing["blessed"] == 1.0 and type(blessing["blessed"]) is float
    examples = run["ImageExampleGen"].artifacts["examples"]["metadata"]
    assert json.loads(examples["split_names"]) == ["train", "stop", "eval"] and examples["span"] == 0.0
    assert len(examples["content"]) == 64


def test_the_registry_knows_which_data_the_run_met(backend, run, healthy):
    from mlflow import MlflowClient

    tags = MlflowClient(f"sqlite:///{backend.home}/volume/digits/mlflow.db").get_model_version("digits", "1").tags
    assert (
        tags["frostgate.data_fingerprint"]
        == run["ImageExampleGen"].artifacts["examples"]["metadata"]["input_fingerprint"]
    )
    assert (tags["frostgate.kfp_run_id"], tags["frostgate.image"]) == ("a-run", IMAGE.partition("=")[2])
    assert tags["frostgate.serves"] == "yes" and tags["frostgate.freeze_proof"] == "passed"
    compiled = yaml.safe_load_all(healthy.read_text())
    assert tags["frostgate.run_key"] not in json.dumps(next(compiled)), "keyed by data that nobody had seen"


def kept(run, *names):
    """What a run has when all but these tasks, and those after them, are over."""
    return {name: one for name, one in run.items() if name not in names and name not in MARKS}


AFTER_TRAINING = (
    *("Trainer", "Evaluator-train", "Evaluator-eval", "PushGate", "ServingCheck"),
    *("Pusher", "Card", "RegistryPush"),
)


def test_a_broken_model_is_blocked_there_too(backend, run):
    broken = package(backend, "broken", "trainer.run_fn=broken_models.constant")
    backend.environment = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{BROKEN_MODELS}"}
    done = backend.run(broken, done=kept(run, *AFTER_TRAINING))
    backend.environment = {}
    # The run is green, the verdict is not.
    assert "digits, run a-run, is over." in done["Ended"].log
    assert set(states(done).values()) <= {"COMPLETE", "CACHED", "SKIPPED"}, {
        name: one.log[-2_000:] for name, one in done.items() if one.state == "FAILED"
    }
    assert {name for name in MARKS if done[name].state == "COMPLETE"} == {"Blocked", "Ended"}
    assert verdict(backend, done)["decision"] == "BLOCK"
    assert {"G2", "G5"} <= set(verdict(backend, done)["codes"])
    assert done["Pusher"].artifacts["pushed_model"]["metadata"]["pushed"] == 0.0
    assert versions(backend) == ["1"] and champion_of(backend) == "1"


def test_the_champion_is_found_in_the_step_and_the_trainer_goes_on_from_it(backend, run):
    warm = package(backend, "warm", "trainer.warm_start=champion")
    done = backend.run(warm, done=kept(run, "Champion", *AFTER_TRAINING), only={"Champion", "WarmStart", "Trainer"})
    assert done["Trainer"].state == "COMPLETE", (done["WarmStart"].log[-3_000:], done["Trainer"].log[-3_000:])
    assert done["WarmStart"].artifacts["start"]["metadata"]["warm_started_from"] == "1"

    def history(executions):
        facts = backend.artifact(executions["Trainer"], "model") / "Format-Serving" / "assets.extra"
        return json.loads((facts / "history.json").read_text())

    assert history(done)["warm_start"]["version"] == "1" and "warm_start" not in history(run)
    first, cold = (history(one)["phases"][0]["epochs"][0]["stop_loss"] for one in (done, run))
    assert first < cold


def test_a_run_parameter_reaches_the_gate(backend, healthy, run):
    done = kept(run, "PushGate", "ServingCheck", "Pusher", "Card", "RegistryPush")
    done = backend.run(healthy, {"gate_min_first_accuracy": 0.75}, done=done, only={"PushGate"})
    assert done["PushGate"].state == "COMPLETE", done["PushGate"].log[-3_000:]
    assert verdict(backend, done)["thresholds"]["min_first_accuracy"] == 0.75


def test_a_step_whose_input_came_late_succeeds_with_its_retry(backend, healthy, run):
    model, hidden = backend.artifact(run["Trainer"], "model"), backend.home / "hidden"

    def late(task, attempt):
        shutil.move(*((model, hidden) if attempt == 1 else (hidden, model)))

    backend.before = late
    done = backend.run(healthy, done=kept(run, "Pusher", "RegistryPush"), only={"Pusher"})
    backend.before = lambda task, attempt: None
    assert (done["Pusher"].state, done["Pusher"].attempts) == ("COMPLETE", 2), done["Pusher"].log
    assert "Pusher needs model, expected at minio://" in done["Pusher"].log
    # Pushed already: nothing is written twice.
    assert versions(backend) == ["1"]


def test_an_artifact_that_stays_missing_fails_the_step_and_nothing_after_it_runs(backend, healthy, run):
    model, hidden = backend.artifact(run["Trainer"], "model"), backend.home / "hidden"
    shutil.move(model, hidden)
    done = backend.run(healthy, done=kept(run, "Pusher", "RegistryPush"))
    shutil.move(hidden, model)
    assert (done["Pusher"].state, done["Pusher"].attempts) == ("FAILED", 2)
    assert "Was the bucket cleaned?" in done["Pusher"].log
    assert all(done[name].state == "OMITTED" for name in ("RegistryPush", "Pushed", "Blocked", "Held"))
    assert (done["Ended"].state, "digits, run a-run, failed." in done["Ended"].log) == ("COMPLETE", True)


def test_an_output_that_was_cut_short_is_made_again(backend, healthy, run, tmp_path):
    """Another entrypoint dies in the middle of its executor output, once; the launcher must not take it."""
    half = tmp_path / "python"
    half.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        "told = json.loads(sys.argv[sys.argv.index('--json_serialized_invocation_args') + 1])\n"
        "open(told['outputs']['outputFile'], 'w').write('{\"artifacts\": {')\n"
    )
    half.chmod(0o755)

    def cut(task, attempt):
        backend.environment = {"PATH": str(tmp_path)} if attempt == 1 else {}

    backend.before = cut
    done = backend.run(healthy, done=kept(run, "Champion"), only={"Champion"})
    backend.before = lambda task, attempt: None
    assert (done["Champion"].state, done["Champion"].attempts) == ("COMPLETE", 2), done["Champion"].log
    assert "failed to unmarshal" in done["Champion"].log


def test_data_that_do_not_do_stop_the_run_with_one_sentence(backend, healthy):
    done = backend.run(healthy, {"data_uri": "/nowhere/pictures"}, only={"ImageExampleGen", "StatisticsGen"})
    assert done["ImageExampleGen"].state == "FAILED"
    assert "frostgate: " in done["ImageExampleGen"].log and "/nowhere/pictures" in done["ImageExampleGen"].log
    assert "Traceback" not in done["ImageExampleGen"].log
