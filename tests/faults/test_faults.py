"""The campaign sees what it is there to see; `make faults` runs it."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.faults import report, state
from tests.faults.harms import HARMS, harm
from tests.faults.processes import Process
from tests.faults.world import Story, World, why_no_namespace

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("how", HARMS)
def test_a_harm_leaves_something_else(how: str, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file"
    file.parent.mkdir()
    file.write_bytes(b"content" * 1000)
    assert harm(file, how, Random(0))
    assert not file.is_file() or file.read_bytes() != b"content" * 1000 or len(list(file.parent.iterdir())) == 2


def test_to_empty_what_is_empty_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not harm(tmp_path / "file", "emptied", Random(0))


def test_a_process_that_is_killed_says_how_far_it_came() -> None:
    def body(tell) -> int:
        tell("began", "Trainer")
        return subprocess.run(["sleep", "120"]).returncode

    process = Process(body)
    assert process.until("began", "Trainer")
    process.kill(9, with_children=True)
    ended = process.wait()
    assert (ended.code, ended.was("Trainer"), ended.summary) == (-9, "", None)


def test_a_command_that_is_refused_says_why() -> None:
    ended = Process.command("report", "--set=name=never", "--set=output=/nowhere").wait()
    assert ended.code == 2 and "frostgate: " in ended.error and "Traceback" not in ended.error


def test_a_system_that_lets_nobody_mount_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(kind: int) -> None:
        raise PermissionError(errno.EPERM, "refused")

    monkeypatch.setattr("components.confinement.namespaces.enter", refused)
    assert why_no_namespace() == os.strerror(errno.EPERM)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def serve(world: World, number: int, content: str) -> str:
    version = world.pipeline / "models" / str(number)
    (version / "assets.extra").mkdir(parents=True)
    (version / "saved_model.pb").write_text(content)
    (version / "assets.extra" / "frostgate_manifest.json").write_text("{}")
    return state.hash_of(version)


def test_what_is_served_is_known_by_all_its_files(world: World) -> None:
    one, other = serve(world, 9, "one"), serve(world, 10, "other")
    assert state.versions(world) == {9: one, 10: other} and one != other
    assert state.served(world) == other
    (world.pipeline / "models" / "10" / "new").touch()
    assert state.served(world) not in (one, other)


def test_a_story_is_read_as_it_was_told() -> None:
    story = Story(("a=1",), "pushed", 0, (), {"num_read": 3}, "f" * 64, ("m", "f", "PASS"))
    assert Story.parse(story.text()) == story


def test_what_did_not_hold_is_in_the_report_with_its_rate(tmp_path: Path) -> None:
    found = [
        report.Tried(n, "killed", "good", "Trainer", "", "killed", ["lost"] if n == 7 else [], 1.0) for n in range(20)
    ]
    report.write(found, 0, tmp_path / "faults.md")
    text = (tmp_path / "faults.md").read_text()
    assert "| killed | 20 | 20 killed | 1 (at most 19.6%) |" in text and "#7 killed" in text
    assert report.sentence(found) == "20 faults, of which 1 had something that did not hold: #7."


@pytest.mark.engine
@pytest.mark.long
def test_a_few_faults_find_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults", "--faults", "25", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    (kept,) = tmp_path.glob("*/*.jsonl")
    found = [json.loads(line) for line in kept.read_text().splitlines()]
    assert len(found) == 25 and len({one["kind"] for one in found}) == 9
