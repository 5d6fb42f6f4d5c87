import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"tensorflow", "tfx", "mlflow", "apache_beam", "pandas", "matplotlib", "keras"}
SUMMARY = {
    "run_id": "20260101-000000-abcd",
    "pipeline": "digits",
    "started": "2026-01-01T00:00:00+00:00",
    "seconds": 12.3,
    "status": "blocked",
    "exit_code": 3,
    "message": "Blocked (G1 mode gap): a reason.",
    "verdict": {
        "measurements": {"C": {"value": 0.123}},
        "checks": [{"code": "G1", "name": "mode gap", "fired": True, "detail": "a reason."}],
    },
    "served_version": None,
    "registered_version": "7",
    "card": "card.html",
    "log": "log.txt",
    "config": {},
    "nodes": [],
}


def frostgate(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli.main", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def with_a_run(tmp_path: Path) -> Path:
    folder = tmp_path / "frostgate-output" / "digits" / "runs" / str(SUMMARY["run_id"])
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(SUMMARY))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "frostgate run --set data.uri=FOLDER"),
        (["run", "--help"], "3 blocked, 4 held for a human, 2 bad"),
        (["--version"], "frostgate 0.1.0"),
        (["validate"], "The configuration is valid."),
        (["config", "show"], "min_eval_examples: 200"),
        (["config", "schema"], '"Config"'),
        (["validate", "--json"], '"valid": true'),
    ],
)
def test_light_commands_answer_and_end_well(tmp_path, arguments, expected):
    done = frostgate(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert expected in " ".join(done.stdout.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["validate"], ["config", "show"], ["runs", "--json"]])
def test_light_commands_import_no_heavy_library(tmp_path, arguments):
    code = (
        "import sys\n"
        "from pipeline.cli.main import main\n"
        f"sys.argv = ['frostgate', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_a_wrong_key_is_exit_code_2_and_one_line(tmp_path):
    done = frostgate("run", "--set", "trainr.seed=3", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        "frostgate: --set trainr.seed=3: trainr is not a key; did you mean trainer? "
        "`frostgate config show` lists every key.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_is_exit_code_2(tmp_path):
    done = frostgate("run", "--seed", "3", cwd=tmp_path)
    assert done.returncode == 2 and "No such option" in done.stderr


def test_validating_data_lists_the_classes(tmp_path):
    done = frostgate("validate", "--data", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["classes"] == list("56789")


def test_data_that_are_not_there_are_exit_code_2(tmp_path):
    done = frostgate("validate", "--data", "--set", "data.uri=no-such-folder", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no-such-folder" in done.stderr


def test_a_report_without_a_run_says_so(tmp_path):
    done = frostgate("report", cwd=tmp_path)
    assert done.returncode == 2 and "There is no run yet in" in done.stderr


def test_a_report_shows_verdict_checks_and_places(with_a_run):
    done = frostgate("report", cwd=with_a_run)
    assert done.returncode == 0
    assert "BLOCKED  Blocked (G1 mode gap): a reason." in done.stdout
    assert "FIRED  G1   mode gap: a reason." in done.stdout and "card: card.html" in done.stdout
    assert json.loads(frostgate("report", "--json", str(SUMMARY["run_id"]), cwd=with_a_run).stdout) == SUMMARY


def test_runs_are_listed(with_a_run):
    table = frostgate("runs", cwd=with_a_run).stdout
    assert all(text in table for text in ("20260101-000000-abcd", "blocked", "0.123", "7"))
    assert json.loads(frostgate("runs", "--json", cwd=with_a_run).stdout) == [SUMMARY]


def test_a_damaged_summary_is_named(with_a_run):
    (path,) = with_a_run.rglob("summary.json")
    path.write_text("{}")
    done = frostgate("runs", cwd=with_a_run)
    assert done.returncode == 2 and str(path.relative_to(with_a_run)) in done.stderr
