"""The cache key of our code changes for what depends on an edit, and for nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = (
    "components.ingest.component",
    "components.trainer.run_fn",
    "components.push_gate.component",
    "components.pusher.component",
    "components.card.component",
)
HASHES = """
import json, sys
from pipeline.code_hash import code_hash
print(json.dumps({module: code_hash(module) for module in sys.argv[1:]}))
"""


@pytest.fixture
def project(tmp_path):
    for package in ("schemas", "components", "pipeline"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def hashes(project, *modules):
    environ = os.environ | {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", HASHES, *modules]
    return json.loads(subprocess.run(command, env=environ, cwd=project, capture_output=True, check=True).stdout)


def changed_by(project, edited):
    before = hashes(project, *MODULES)
    with open(project / edited, "a") as file:
        file.write("\n# edited\n")
    after = hashes(project, *MODULES)
    return [module for module in MODULES if before[module] != after[module]]


@pytest.mark.parametrize(
    ("edited", "dependants"),
    [
        ("components/trainer/run_fn.py", ["components.trainer.run_fn"]),
        ("components/ingest/headers.py", ["components.ingest.component"]),
        ("components/pusher/versions.py", ["components.pusher.component"]),
        ("components/push_gate/rule.py", ["components.push_gate.component"]),
        # A template and a style sheet are read by the module beside them, and by no import.
        ("components/card/card.html.jinja", ["components.card.component"]),
        ("components/card/card.css", ["components.card.component"]),
        (
            "schemas/features.py",
            ["components.ingest.component", "components.trainer.run_fn", "components.push_gate.component"],
        ),
        ("pipeline/cli/main.py", []),
    ],
)
def test_an_edit_changes_the_hash_of_its_dependants_only(project, edited, dependants):
    assert changed_by(project, edited) == dependants


def test_the_curated_schema_counts_for_whoever_imports_its_module(project):
    before = hashes(project, "schemas.images", "components.card.component")
    with open(project / "schemas" / "images.pbtxt", "a") as file:
        file.write("\n# edited\n")
    after = hashes(project, "schemas.images", "components.card.component")
    assert before["schemas.images"] != after["schemas.images"]
    assert before["components.card.component"] == after["components.card.component"]


def test_a_data_file_beside_a_module_counts(project):
    before = hashes(project, *MODULES)
    (project / "components" / "pusher" / "notes.json").write_text("{}")
    after = hashes(project, *MODULES)
    assert [module for module in MODULES if before[module] != after[module]] == ["components.pusher.component"]


def test_the_hash_does_not_depend_on_the_folder_or_on_compiled_files(project):
    (project / "components" / "pusher" / "__pycache__").mkdir()
    (project / "components" / "pusher" / "__pycache__" / "versions.pyc").write_bytes(b"compiled")
    assert hashes(project, *MODULES) == hashes(ROOT, *MODULES)


def test_a_trainer_of_ones_own_counts_with_everything_of_ours(project):
    (project / "mine.py").write_text("def run_fn(fn_args): ...\n")
    before = hashes(project, "mine")
    (project / "components" / "trainer" / "phases.py").open("a").write("\n# edited\n")
    between = hashes(project, "mine")
    (project / "mine.py").open("a").write("\n# edited\n")
    assert before != between != hashes(project, "mine")


@pytest.mark.parametrize("module", ["no.such.trainer", "json.no_such_module", "json.decoder.deeper", "sys", "__main__"])
def test_a_module_that_is_not_there_is_the_users_fault(module, monkeypatch):
    from components.errors import DataRefused
    from pipeline.code_hash import code_hash

    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)  # As when a script is run.
    with pytest.raises(DataRefused) as caught:
        code_hash(module)
    assert str(caught.value) == (
        f"{module} must be a module that Python can import; it was not found. Install it or correct the name."
    )
