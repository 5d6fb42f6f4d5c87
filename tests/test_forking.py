"""The plugin that runs each test file in a process of its own, on files that tell which process they are in."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
CONFTEST = """
from tests.forking import ForkedFiles

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(ForkedFiles())
"""
FIRST = """
import os
import pytest

@pytest.fixture(scope="module")
def process():
    return os.getpid()

def test_a_fixture_of_a_file_is_made_once(process):
    assert process == os.getpid() != os.getppid()

def test_for_all_of_its_tests(process):
    assert process == os.getpid()
    raise ValueError("as it should")

def test_the_process_ends():
    os._exit(3)

def test_and_the_rest_goes_on():
    pass

@pytest.mark.skip(reason="a skip must reach the report, too")
def test_left_out():
    pass
"""
SECOND = """
import os
import tempfile
import pytest

@pytest.fixture(scope="session")
def undone():
    yield
    with open("undone", "a") as log:
        log.write("once ")

def test_another_file_has_another_process(undone):
    assert not hasattr(os, "is_used")
    os.is_used = True

def test_what_it_leaves_behind_is_removed():
    with open("left", "a") as log:
        print(tempfile.mkdtemp(), file=log)
"""


def test_files_run_apart_and_a_process_that_ends_fails_one_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_first.py").write_text(FIRST)
    for name in ("second", "third"):
        (tmp_path / f"test_{name}.py").write_text(SECOND)
    command = [sys.executable, "-m", "pytest", "-n", "1", "--dist", "loadfile", "--no-loadscope-reorder", "-rA"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    outcomes = {name: word for word, name in re.findall(r"^(PASSED|FAILED) \S+::(\w+)", done.stdout, re.MULTILINE)}
    assert outcomes == {
        "test_a_fixture_of_a_file_is_made_once": "PASSED",
        "test_for_all_of_its_tests": "FAILED",
        "test_the_process_ends": "FAILED",
        "test_and_the_rest_goes_on": "PASSED",
        "test_another_file_has_another_process": "PASSED",
        "test_what_it_leaves_behind_is_removed": "PASSED",
    }, done.stdout
    assert "ValueError: as it should" in done.stdout
    assert "the process of test_first.py ended with code 3" in done.stdout
    assert (tmp_path / "undone").read_text() == "once once "
    left = [Path(line) for line in (tmp_path / "left").read_text().splitlines()]
    assert len(left) == 2 and not any(path.exists() for path in left)
    assert re.search(r"2 failed, 6 passed, 1 skipped", done.stdout)
