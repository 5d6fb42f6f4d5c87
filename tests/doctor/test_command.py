"""`frostgate doctor` as a process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.doctor import confined
from tests.doctor import faults

pytestmark = pytest.mark.tfx

ROOT = Path(__file__).parents[2]


def doctor(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli.main", "doctor", *map(str, arguments)]
    # What this person's Keras computes with otherwise, and has not installed here.
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False, env=environment)


@pytest.fixture(scope="module")
def case() -> faults.Case:
    return faults.HEALTHY["BatchNorm"]()


@pytest.fixture(scope="module")
def saved(case, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("doctor")
    case.model.save(folder / "model.keras")
    np.savez(folder / "train.npz", x=case.train[0], y=case.train[1])
    np.savez(folder / "eval.npz", x=case.validation[0], y=(case.validation[1] + 3) % 10)
    return folder


def test_a_broken_case_is_one_json_document_and_exit_code_3(saved):
    path = saved / "model.keras"
    before = path.read_bytes()
    splits = ("--train", saved / "train.npz", "--eval", saved / "eval.npz")
    done = doctor(path, *splits, "--json", "--card", saved / "card.html")
    assert done.returncode == 3 and done.stderr == ""
    page = (saved / "card.html").read_text()
    assert "This model is blocked" in page and "validation labels are in another order" in page
    assert "validation: best relabelling" in page
    document = json.loads(done.stdout)
    assert document["decision"] == "BLOCK" and document["diagnosis"]["causes"][0]["id"] == "label_order"
    assert path.read_bytes() == before


def test_the_confined_child_reports_what_an_examination_in_this_process_does(saved):
    paths = [str(saved / name) for name in ("model.keras", "train.npz", "eval.npz")]
    done = doctor(paths[0], "--train", paths[1], "--eval", paths[2], "--json")
    document, expected = json.loads(done.stdout), examined(*paths)["document"]
    said = document.pop("confinement")
    assert said["sentence"].startswith("examined ") and said["minutes"] == 60 and said["memory_bytes"] > 0
    for one in (document, expected):
        one.pop("seconds")
    assert document == json.loads(json.dumps(expected))


def examined(model: str, train: str, evaluation: str) -> dict[str, Any]:
    return confined.examined(
        model_path=model, train=train, evaluation=evaluation, image_size=None, family=None, batch_size=32
    )


def test_limits_are_kept_and_said_in_one_line(saved):
    splits = ("--train", saved / "train.npz", "--eval", saved / "eval.npz")
    done = doctor(saved / "model.keras", *splits, "--max-memory", 0.1)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "took more memory than 100 MB and was stopped" in done.stderr
    done = doctor(saved / "model.keras", *splits, "--max-minutes", 0.01)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "was not over after 0.01 minutes and was stopped" in done.stderr
    done = doctor(saved / "model.keras", *splits, "--max-minutes", "inf")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "must be numbers" in done.stderr


def test_pictures_are_scaled_as_the_model_needs_them_and_the_report_says_so(case, saved, tmp_path):
    for split, (pictures, labels) in {"train": case.train, "eval": case.validation}.items():
        for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            folder = tmp_path / split / f"digit-{label}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.round().astype(np.uint8)).save(folder / f"{number}.png")
    (tmp_path / "eval" / "digit-0" / "broken.jpg").write_text("no picture")
    done = doctor(saved / "model.keras", "--train", tmp_path / "train", "--eval", tmp_path / "eval")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASS  Passed: ") and "pictures preprocessed as: none" in done.stdout
    assert "1 files were not used" in done.stdout and "broken.jpg" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("examined ")


def test_options_for_pictures_are_refused_for_arrays(saved):
    splits = ("--train", saved / "train.npz", "--eval", saved / "eval.npz")
    done = doctor(saved / "model.keras", *splits, "--preprocess", "unit")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("frostgate: --preprocess and --image-size are for pictures")


def test_a_card_that_cannot_be_written_is_said_before_the_model_is_run(saved):
    splits = ("--train", saved / "train.npz", "--eval", saved / "eval.npz")
    done = doctor(saved / "model.keras", *splits, "--card", saved / "train.npz" / "card.html")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "train.npz" in done.stderr
    done = doctor(saved / "model.keras", *splits, "--card", saved)
    assert (done.returncode, done.stderr) == (2, f"frostgate: --card must be a file; {saved} is a folder.\n")


def test_a_model_that_is_not_there_is_one_line_and_exit_code_2(saved):
    done = doctor(saved / "no.keras", "--train", saved / "train.npz", "--eval", saved / "eval.npz")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("frostgate: MODEL must be a .keras file")


def test_importing_frostgate_imports_neither_tensorflow_nor_tfx():
    code = "import sys, frostgate; print({'tensorflow', 'keras', 'tfx', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
