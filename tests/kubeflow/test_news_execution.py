"""Scheduled runs executed as on the backend, one after the other: only what is new is trained."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from components.registry.opening import open_registry
from components.registry.settings import RegistrySettings
from pipeline.config import load
from tests.conftest import SMALL
from tests.kubeflow.backend import Backend

pytestmark = pytest.mark.engine

IMAGE = f"kubeflow.image=frostgate@sha256:{64 * '0'}"


@pytest.fixture(scope="module")
def backend(small_run, tmp_path_factory):
    home = tmp_path_factory.mktemp("cluster")
    shutil.copytree(small_run.output / "cache" / "backbones", home / "volume" / "cache" / "backbones")
    return Backend(home)


@pytest.fixture(scope="module")
def arrives(small_run, backend):
    """Returns a function that delivers a span, every third embedded picture, and returns the folder of all spans."""
    (digits,) = [path for path in (small_run.output / "cache" / "embedded").iterdir() if (path / "5").is_dir()]
    incoming = backend.home / "volume" / "incoming"

    def deliver(span: int) -> Path:
        for position, picture in enumerate(sorted(digits.glob("[5-9]/*.png"), key=lambda path: path.name)):
            if position % 3 == span - 1:
                target = incoming / f"span-{span}" / picture.parent.name / picture.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(picture, target)
        return incoming

    return deliver


@pytest.fixture(scope="module")
def package(backend, arrives):
    from pipeline.runners.kubeflow.compiling import compile_pipeline

    # Half of the span's 300 pictures validate, fewer than the gate asks for by default.
    overrides = [
        f"data.uri={arrives(1)}/span-{{SPAN}}",
        "data.classes=['5', '6', '7', '8', '9']",
        "data.eval_fraction=0.5",
        "gate.min_eval_examples=100",
        # Of so few pictures, more steps: a class that is hardly learnt is held.
        "trainer.head.batch_size=8",
        f"kubeflow.mount={backend.home / 'volume'}",
        "kubeflow.retries=0",
    ]
    path = backend.home / "scheduled.yaml"
    path.write_text(compile_pipeline(load(None, [IMAGE, SMALL, *overrides])).to_yaml())
    return path


@pytest.fixture(scope="module")
def first(backend, package):
    return backend.run(package)


def states(executions):
    return {name: execution.state for name, execution in executions.items()}


def versions_of(backend):
    settings = RegistrySettings(uri=f"sqlite:///{backend.home}/volume/digits/mlflow.db", model_name="digits")
    return open_registry(settings).versions()


def test_the_first_span_is_trained_and_the_verdict_is_remembered(backend, first):
    failed = {name: execution.log[-3_000:] for name, execution in first.items() if execution.state == "FAILED"}
    assert not failed, failed
    skipped = {name for name, state in states(first).items() if state == "SKIPPED"}
    assert skipped == {"Unchanged", "Blocked", "Held"}, versions_of(backend)[0].tags["frostgate.sentence"]
    assert (first["training"].state, first["News"].parameters["new"]) == ("COMPLETE", "yes")
    assert "digits, run a-run, is over." in first["Ended"].log and "a-run" not in first["NewsEnded"].log
    (version,) = versions_of(backend)
    judged = json.loads(version.tags["frostgate.judged"])
    assert version.is_champion and judged["run_key"] == version.run_key
    assert (judged["status"], judged["decision"], judged["run_id"]) == ("pushed", "PASS", "a-run")


def test_the_same_span_is_not_trained_again(backend, package, first):
    executions = backend.run(package)
    assert states(executions) == {
        "News": "COMPLETE",
        "NewsEnded": "COMPLETE",
        "training": "SKIPPED",
        "Unchanged": "COMPLETE",
    }, executions["News"].log[-2_000:]
    sentence = "Nothing new in span 1 since run a-run (pushed); again=true runs all the same."
    assert executions["Unchanged"].log.strip() == sentence
    assert len(versions_of(backend)) == 1


def test_it_is_trained_all_the_same_where_somebody_wants_it(backend, package, first):
    executions = backend.run(package, {"again": True}, only={"News", "Unchanged", "Champion"})
    assert states(executions) == {
        "News": "COMPLETE",
        "Unchanged": "SKIPPED",
        "Champion": "COMPLETE",
        "training": "RUNNING",
    }, executions["News"].log[-2_000:]


def test_a_registry_that_does_not_answer_fails_the_look_and_nothing_is_skipped_silently(backend, package, first):
    database = backend.home / "volume" / "digits" / "mlflow.db"
    shutil.move(database, database.with_suffix(".aside"))
    database.mkdir()
    executions = backend.run(package)
    database.rmdir()
    shutil.move(database.with_suffix(".aside"), database)
    assert states(executions) == {
        "News": "FAILED",
        "NewsEnded": "COMPLETE",
        "training": "OMITTED",
        "Unchanged": "OMITTED",
    }
    assert "mlflow.db" in executions["News"].log and "digits, run a-run, failed." in executions["NewsEnded"].log


def test_a_new_span_is_trained_and_again_if_that_failed(backend, package, first, arrives, tmp_path):
    arrives(2)
    broken = tmp_path / "python"
    broken.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('out of memory')\n")
    broken.chmod(0o755)

    def break_trainer(task, attempt):
        backend.environment = {"PATH": str(tmp_path)} if task == "Trainer" else {}

    backend.before = break_trainer
    executions = backend.run(package)
    backend.before = lambda task, attempt: None
    trainer = executions["Trainer"]
    assert (trainer.state, executions["training"].state) == ("FAILED", "FAILED"), trainer.log[-2_000:]
    assert "out of memory" in trainer.log and "digits, run a-run, failed." in executions["Ended"].log
    repeated = backend.run(package, only={"News"})
    assert repeated["News"].parameters["new"] == "yes", repeated["News"].log[-2_000:]
