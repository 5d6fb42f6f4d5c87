"""What the next run finishes of one that was killed."""

import json
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.resolve import folders_of
from pipeline.runners.attempt import KILLED, Attempt
from pipeline.runners.lock import run_lock
from pipeline.runners.results import LookSummary
from pipeline.runners.summaries import looks_of
from pipeline.watching import monitoring_folders

_SECRET = "correct-horse-battery"


def _begun(runs: Path, name: str) -> Path:
    folder = runs / name
    folder.mkdir(parents=True)
    status, exit_code, message = KILLED
    summary = LookSummary(
        run_id=name,
        pipeline="digits",
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        status=status,
        exit_code=exit_code,
        message=message,
        drift=None,
        page=None,
        log="",
        config={},
        nodes=(),
    )
    (folder / "begun.json").write_text(summary.model_dump_json())
    (folder / "log.txt").write_text(f"a child says {_SECRET}\n")
    return folder


def test_the_next_run_takes_passwords_out_of_the_log_of_one_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.credentials import conceal_environment

    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", _SECRET)
    config = load(None, [f"output={tmp_path}"])
    runs = folders_of(config).runs
    killed, told, running = (_begun(runs, name) for name in ("1-killed", "2-told", "3-running"))
    (told / "summary.json").write_text("{}")
    attempt = Attempt.begin(config, folders_of(config))
    conceal_environment()
    with run_lock(running).acquire():
        attempt.finish_killed()
    assert (killed / "log.txt").read_text() == "a child says ***\n"
    assert json.loads((killed / "summary.json").read_text())["status"] == "interrupted"
    assert (told / "summary.json").read_text() == "{}" and _SECRET not in (told / "log.txt").read_text()
    assert not (killed / "begun.json").exists() and not (told / "begun.json").exists()
    assert (running / "begun.json").exists() and _SECRET in (running / "log.txt").read_text()
    attempt.lock.release()


def test_a_look_that_was_killed_is_listed_as_interrupted_and_one_that_goes_on_as_running(tmp_path: Path) -> None:
    config = load(None, [f"output={tmp_path}"])
    runs = monitoring_folders(config).runs
    _begun(runs, "1-killed")
    with run_lock(_begun(runs, "2-running")).acquire():
        assert [(one.run_id, one.status) for one in looks_of(config)] == [
            ("1-killed", "interrupted"),
            ("2-running", "running"),
        ]
