"""The real pipeline from end to end: once on ResNet50, then tests that build on one small run, in order."""

import contextlib
import io
import json
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.pusher.versions import verify
from components.registry.opening import open_registry
from pipeline.config import load
from pipeline.resolve import effective_registry, folders_of
from tests.conftest import SMALL
from tests.pipeline.conftest import ROOT, frostgate

pytestmark = pytest.mark.engine


def champion_version(output: Path) -> str | None:
    config = load(None, [f"output={output}"])
    found = open_registry(effective_registry(config, folders_of(config))).champion()
    return found.version if found else None


def verdict_of(finished) -> dict:
    return finished.summary["verdict"]


def test_the_embedded_example_passes_and_is_pushed_registered_and_explained(first_run):
    summary, verdict = first_run.summary, verdict_of(first_run)
    assert (summary["exit_code"], summary["status"], verdict["decision"]) == (0, "pushed", "PASS"), summary["message"]
    assert verdict["measurements"]["C"]["value"] >= 0.9
    assert verdict["measurements"]["C"]["total"] >= 250
    jsonschema.validate(verdict, json.loads((ROOT / "schemas" / "verdict.schema.json").read_text()))
    assert first_run.versions == ["1"] == [summary["served_version"]]
    assert champion_version(first_run.output) == summary["registered_version"] == "1"
    card = Path(summary["card"]).read_text()
    assert "Passed" in card and "Trainer" in card
    assert set(first_run.nodes.values()) == {"done"}


@pytest.mark.long
def test_the_default_configuration_is_pushed(run_in_process, tmp_path):
    summary = run_in_process(tmp_path / "frostgate-output").summary
    assert (summary["status"], summary["verdict"]["decision"]) == ("pushed", "PASS"), summary["message"]
    assert summary["verdict"]["measurements"]["C"]["value"] >= 0.9


def test_the_pushed_version_serves_raw_images(first_run):
    served = tf.saved_model.load(str(first_run.output / "digits" / "models" / "1")).signatures["serving_default"]
    picture = next((first_run.output / "cache" / "embedded").rglob("7/*.png"))
    answer = served(image_bytes=tf.constant([picture.read_bytes()]))
    assert answer["class_name"].numpy() == [b"7"]


def executed(finished) -> set[str]:
    return {name for name, status in finished.nodes.items() if status == "done"}


def test_a_second_run_with_nothing_changed_only_looks_whether_all_is_there(small_run, run_small):
    again = run_small(small_run.output)
    assert again.summary["exit_code"] == 0
    assert executed(again) == {"Pusher", "RegistryPush"}
    assert again.versions == ["1"] and champion_version(again.output) == "1"


def test_the_same_command_serves_and_registers_again_what_somebody_removed(small_run, run_small):
    folder = small_run.output / "digits"
    shutil.rmtree(folder / "models")
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        for table in ("registered_model_aliases", "model_version_tags", "model_versions", "registered_models"):
            connection.execute(f"DELETE FROM {table}")
    assert champion_version(small_run.output) is None
    again = run_small(small_run.output)
    assert (again.summary["status"], executed(again)) == ("pushed", {"Pusher", "RegistryPush"})
    assert again.versions == ["1"] == [again.summary["served_version"]]
    assert verify(folder / "models" / "1") == ()
    assert champion_version(again.output) == again.summary["registered_version"] == "1"
    assert "It was served already." not in again.summary["message"]


def test_a_served_version_that_was_damaged_is_named_and_replaced(small_run, run_small, tmp_path):
    shutil.copytree(small_run.output / "digits" / "models", tmp_path / "models")
    settings = f"push.destination={tmp_path}/models"
    assert "It was served already." in run_small(small_run.output, settings).summary["message"]
    path = tmp_path / "models" / "1" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    again = run_small(small_run.output, settings).summary
    assert (again["status"], again["served_version"]) == ("pushed", "2")
    said = f"{path}: changed since it was pushed; the model that was judged is served as version 2."
    assert said in again["warnings"] and "It was served already." not in again["message"]


def test_another_threshold_re_runs_the_gate_and_what_follows_it(small_run, run_small):
    again = run_small(small_run.output, "gate.min_first_accuracy=0.6")
    assert again.summary["exit_code"] == 0
    done = {name for name, status in again.nodes.items() if status == "done"}
    # The champion is now the model itself, and it has to be fetched to be compared with.
    assert "PushGate" in done and done <= {"Champion", "PushGate", "ServingCheck", "Pusher", "Card", "RegistryPush"}
    assert verdict_of(again)["baseline"]["version"] == "1"
    assert again.versions == ["1"] and champion_version(again.output) == "1"


@pytest.mark.long
def test_a_healthy_model_is_passed_on_by_the_repair_as_it_is(small_run, run_small):
    finished = run_small(small_run.output, "repair=batch_norm")
    assert finished.summary["exit_code"] == 0
    assert finished.nodes["Trainer"] == "cached" and finished.nodes["Repair"] == "done"
    assert verdict_of(finished)["repaired_from"] is None
    assert finished.versions == ["1"] and champion_version(finished.output) == "1"


def test_statistics_that_never_converged_are_blocked_repaired_and_pushed(run_small, tmp_path):
    settings = ["backbone.weights=none", "trainer.from_scratch.epochs=10", "trainer.from_scratch.momentum=0.999"]
    finished = run_small(tmp_path / "frostgate-output", *settings, "repair=batch_norm")
    naive = json.loads((finished.newest("PushGate", "verdict") / "verdict.json").read_text())
    assert naive["decision"] == "BLOCK" and naive["diagnosis"]["causes"][0]["id"] == "statistics_not_converged"
    assert finished.summary["status"] == "pushed", finished.summary["message"]
    repaired = verdict_of(finished)
    assert repaired["repaired_from"] == naive["fingerprints"]["model"] != repaired["fingerprints"]["model"]
    assert repaired["measurements"]["C"]["value"] >= 0.9
    assert finished.versions == ["1"] == [champion_version(finished.output)]


# test_execution.py has a broken trainer blocked step by step, as on a cluster, always.
@pytest.mark.long
@pytest.mark.parametrize(
    ("broken", "codes"), [("broken_models.constant", {"G2", "G5"}), ("broken_models.not_a_number", {"G0"})]
)
def test_a_broken_trainer_is_blocked_and_nothing_is_touched(small_run, run_small, monkeypatch, broken, codes):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    finished = run_small(small_run.output, f"trainer.run_fn={broken}")
    assert (finished.summary["exit_code"], finished.summary["status"]) == (3, "blocked"), finished.summary["message"]
    assert codes <= set(verdict_of(finished)["codes"])
    assert finished.summary["served_version"] is None
    assert finished.versions == ["1"] and champion_version(finished.output) == "1"
    # Recorded all the same, without the alias.
    assert finished.summary["registered_version"] not in (None, "1")
    assert "Blocked" in Path(finished.summary["card"]).read_text()


@pytest.mark.long
def test_labels_shuffled_in_validation_are_blocked_with_exit_code_3(small_run, with_backbone, tmp_path):
    source = small_run.output / "cache" / "embedded"
    (digits,) = [path for path in source.iterdir() if (path / "5").is_dir()]
    shuffled = random.Random(0)
    for picture in sorted(digits.glob("[5-9]/*.png")):
        is_eval = shuffled.random() < 0.35
        label = shuffled.choice("56789") if is_eval else picture.parent.name
        target = tmp_path / "data" / ("eval" if is_eval else "train") / label / picture.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
    # The best epoch is the one that validates best, here an early one: it must have learnt something by then.
    told = [SMALL, "trainer.head.learning_rate=0.02", "trainer.head.batch_size=8"]
    told += [f"output={with_backbone}", f"data.uri={tmp_path / 'data'}"]
    done = frostgate("run", "--json", *(f"--set={setting}" for setting in told))
    assert done.returncode == 3, done.stderr
    summary = json.loads(done.stdout)
    assert {"G2", "G3"} <= set(summary["verdict"]["codes"])
    assert not list((with_backbone / "digits" / "models").glob("[0-9]*"))
    assert champion_version(with_backbone) is None


def test_a_folder_of_ones_own_works_with_nothing_else(small_run, with_backbone, tmp_path):
    (digits,) = [path for path in (small_run.output / "cache" / "embedded").iterdir() if (path / "5").is_dir()]
    folder = write_folder(digits, tmp_path / "own")
    done = frostgate("run", "--json", f"--set={SMALL}", f"--set=data.uri={folder}", cwd=with_backbone.parent)
    assert done.returncode == 0, done.stderr
    (report,) = (with_backbone / "digits" / "artifacts" / "ImageExampleGen" / "report").glob("*/report.json")
    counts = json.loads(report.read_text())
    assert counts["num_read"] == counts["num_kept"] + counts["num_rejected"] == len(list(folder.glob("*/*")))
    assert counts["classes"] == ["eight", "five", "nine", "seven", "six"]
    rejects = [json.loads(line) for line in (report.with_name("rejects.jsonl")).read_text().splitlines()]
    assert {Path(reject["uri"]).name for reject in rejects} == {"cut.jpg", "text.jpg", "twin-a.png", "twin-b.png"}
    assert len({reject["reason"] for reject in rejects}) == 3
    served = tf.saved_model.load(str(with_backbone / "digits" / "models" / "1")).signatures["serving_default"]
    for odd in ("cmyk.jpg", "moving.gif"):
        answer = served(image_bytes=tf.constant([(folder / "seven" / odd).read_bytes()]))
        assert answer["class_name"].numpy() == [b"seven"]


def write_folder(digits: Path, folder: Path) -> Path:
    names = {"5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine"}
    for picture in digits.glob("[5-9]/*.png"):
        target = folder / names[picture.parent.name] / picture.with_suffix(".jpg").name
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(picture).save(target, "JPEG", quality=95)
    seven = Image.open(sorted((digits / "7").iterdir())[0])
    seven.convert("CMYK").save(folder / "seven" / "cmyk.jpg", "JPEG", quality=95)
    seven.save(folder / "seven" / "moving.gif", "GIF")
    whole = io.BytesIO()
    seven.save(whole, "JPEG")
    (folder / "seven" / "cut.jpg").write_bytes(whole.getvalue()[:-40])
    (folder / "six" / "text.jpg").write_text("this is text, not a picture")
    twin = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8))
    twin.save(folder / "eight" / "twin-a.png")
    twin.save(folder / "nine" / "twin-b.png")
    return folder


@pytest.mark.long
def test_a_run_killed_in_the_trainer_continues_to_the_same_weights(small_run, with_backbone, run_small):
    command = [sys.executable, "-m", "pipeline.cli.main", "run", f"--set={SMALL}", f"--set=output={with_backbone}"]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: any(epochs_done(path) >= 3 for path in progress_files(with_backbone)), running)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    # The Trainer was in the middle of it: there is something to continue, and no model yet.
    assert progress_files(with_backbone)
    assert not list((with_backbone / "digits" / "artifacts" / "Trainer").glob("model/*/Format-Serving/saved_model.pb"))
    finished = run_small(with_backbone)
    assert finished.summary["exit_code"] == 0
    assert finished.nodes["ImageExampleGen"] == finished.nodes["Backbone"] == "cached"
    for mine, theirs in zip(weights_of(finished), weights_of(small_run), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def progress_files(output: Path) -> list[Path]:
    return list((output / "cache" / "training").glob("*/*/checkpoints/head/progress.json"))


def epochs_done(progress: Path) -> int:
    return len(re.findall(r'"stop_loss"', progress.read_text()))


def wait_until(condition: Callable[[], bool], running: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert running.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "the Trainer was never reached"
        time.sleep(0.005)


def weights_of(finished) -> list[np.ndarray]:
    models = finished.output / "digits" / "artifacts" / "Trainer" / "model"
    oldest = min(models.glob("*/Format-Keras/model.keras"), key=lambda path: int(path.parts[-3]))
    return keras.models.load_model(oldest).get_weights()
