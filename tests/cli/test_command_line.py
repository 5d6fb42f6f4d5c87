import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HEAVY = {"tensorflow", "tfx", "mlflow", "mr_openapi", "apache_beam", "pandas", "matplotlib", "keras"}
SUMMARY = {
    "run_id": "20260101-000000-abcd",
    "pipeline": "digits",
    "started": "2026-01-01T00:00:00+00:00",
    "seconds": 12.3,
    "status": "blocked",
    "exit_code": 3,
    "message": "Blocked (G1 mode gap): a reason.",
    "data": None,
    "verdict": {
        "measurements": {"C": {"value": 0.123}},
        "counts": {"train": 90, "eval": 45, "rejected": 2},
        "checks": [{"code": "G1", "name": "mode gap", "fired": True, "detail": "a reason."}],
        "diagnosis": {
            "causes": [
                {
                    "id": "batch_norm_mode",
                    "title": "frozen BatchNorm trained on batch statistics",
                    "confidence": "strong",
                    "evidence": ["76.0% are right in training mode"],
                    "explains": 0.98,
                    "fix": "Call the backbone in inference mode.",
                }
            ],
            "ruled_out": [{"id": "label_order", "by": "no other order does better"}],
            "unexamined": [],
        },
    },
    "run_key": "k",
    "spans": [3],
    "served_version": None,
    "registered_version": "7",
    "card": "card.html",
    "warnings": ["The gateway is down."],
    "log": "log.txt",
    "config": {},
    "nodes": [],
}


def frostgate(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli.main", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


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
        (["--help"], "run Train a classifier"),
        (["--help"], "validate Check a configuration"),
        (["--help"], "report Show a run's verdict"),
        (["--help"], "runs List a pipeline's runs"),
        (["--help"], "doctor Judge a Keras classifier"),
        (["doctor", "--help"], "0 passed, 3 blocked, 4 held for a human, 2 bad model or data"),
        (["--help"], "cases Reproduce the known collapses"),
        (["cases", "--list", "few-updates"], "reestimated: the naive model, its statistics re-estimated"),
        (["registry", "--help"], "rollback Take the champion back"),
        (["registry", "--help"], "Exit codes: 0 done, 2 refused"),
        (["approve", "--help"], "A blocked one needs every code that blocked it"),
        (["predict", "--help"], "0 every picture has an answer"),
        (["prune", "--help"], "Never removed: the champion"),
        (["prune"], "There is no run yet in"),
        (["--help"], "config Show what may be set"),
        (
            ["run", "--help"],
            "0 pushed or nothing new, 3 blocked, 4 held for a human, 2 bad configuration or data, 1 failure, 130 or",
        ),
        (["--version"], "frostgate 0.1.0"),
        (["validate"], "The configuration is valid."),
        (["config", "show"], "min_eval_examples: 200"),
        (["config", "schema"], '"Config"'),
        (["validate", "--json"], '"valid": true'),
        (["runs"], "There is no run yet in"),
    ],
)
def test_light_commands_answer_and_end_well(tmp_path, arguments, expected):
    done = frostgate(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert expected in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["validate"],
        ["config", "show"],
        ["config", "schema"],
        ["runs"],
        ["runs", "--json"],
        ["cases", "--list"],
    ],
)
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


def test_a_password_in_what_the_doctor_is_to_examine_is_refused_and_not_shown(tmp_path):
    done = frostgate(
        "doctor", "m.keras", "--train", "s3://KEY:it's c4n4ry@bucket/x", "--eval", "eval.npz", cwd=tmp_path
    )
    assert done.returncode == 2 and "--train must hold no password" in done.stderr
    assert "c4n4ry" not in done.stdout + done.stderr


def test_a_wrong_key_is_exit_code_2_and_one_line(tmp_path):
    done = frostgate("run", "--set", "trainr.seed=3", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        "frostgate: --set trainr.seed: trainr is not a key; did you mean trainer? "
        "`frostgate config show` lists every key.\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "--seed", "3"], "No such option: --seed"),
        (["cases", "nope"], "There is no case nope; choose from frozen-batch-stats,"),
        (["trian"], "No such command 'trian'"),
        (["validate", "--set"], "Option '--set' requires an argument"),
        (["validate", "run.yaml"], "unexpected extra argument(s) (run.yaml)"),
        ([], "Usage:"),
        (["config"], "Usage:"),
    ],
)
def test_a_wrong_use_is_exit_code_2(tmp_path, arguments, complaint):
    done = frostgate(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
    assert complaint in done.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("trainer: {seed: -1}", "run.yaml: trainer.seed must be a whole number in [0, 4294967296); received -1."),
        ("trainer: {sede: 1}", "run.yaml: trainer.sede is not a key; did you mean trainer.seed?"),
        ("- trainer", "run.yaml: expected keys and values, such as `name: digits`; received a list."),
    ],
)
@pytest.mark.parametrize("command", [["validate"], ["config", "show"], ["runs"], ["run", "--json"]])
def test_a_bad_file_is_one_line_on_stderr_for_every_command(tmp_path, command, text, complaint):
    (tmp_path / "run.yaml").write_text(text)
    done = frostgate(*command, "--config", "run.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"frostgate: {complaint}")


def test_a_setting_of_the_environment_is_overridden_by_the_command_line(tmp_path, monkeypatch):
    (tmp_path / "run.yaml").write_text("trainer: {seed: 1}")
    monkeypatch.setenv("FROSTGATE__TRAINER__SEED", "2")
    assert "\n  seed: 2\n" in frostgate("config", "show", "--config", "run.yaml", cwd=tmp_path).stdout
    assert "\n  seed: 3\n" in frostgate("config", "show", "--set", "trainer.seed=3", cwd=tmp_path).stdout


def test_the_shown_configuration_is_a_valid_file(tmp_path):
    (tmp_path / "run.yaml").write_text(frostgate("config", "show", "--set", "name=cats", cwd=tmp_path).stdout)
    again = frostgate("config", "show", "--config", "run.yaml", cwd=tmp_path)
    assert again.stdout == (tmp_path / "run.yaml").read_text() and "\nname: cats\n" in again.stdout


def test_validating_data_lists_the_classes(tmp_path):
    done = frostgate("validate", "--data", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["classes"] == list("56789")


def test_a_folder_of_ones_own_is_listed(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.png").write_bytes(label.encode())
    done = frostgate("validate", "--data", "--set", "data.uri=photos", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("The configuration is valid.\nphotos: folder, 33% for validation, 2 classes:\n  cat, dog\n")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_labels_that_are_no_classes_are_named_before_a_run_stops_at_them(tmp_path):
    for label in ("cat", "dgo"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.png").write_bytes(label.encode())
    settings = ("--data", "--set", "data.uri=photos", "--set", "data.classes=[cat, dog]")
    done = frostgate("validate", *settings, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "frostgate: The labels of photos do not fit its classes: label 'dgo' is not a class; class 'dog' has no image. "
        "Correct data.classes or the labels: the run would stop before training.\n"
    )
    (tmp_path / "photos" / "dgo").rename(tmp_path / "photos" / "dog")
    assert frostgate("validate", *settings, cwd=tmp_path).returncode == 0


def test_data_that_are_not_there_are_exit_code_2(tmp_path):
    done = frostgate("validate", "--data", "--set", "data.uri=no-such-folder", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no-such-folder" in done.stderr


def test_a_report_without_a_run_says_so(tmp_path):
    done = frostgate("report", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"frostgate: There is no run yet in {tmp_path}/frostgate-output/digits/runs. "
        "`frostgate run` makes one; --set output=FOLDER looks elsewhere.\n"
    )


def test_no_run_at_all_is_an_empty_list(tmp_path):
    assert json.loads(frostgate("runs", "--json", cwd=tmp_path).stdout) == []


def test_a_run_of_another_name_is_not_the_newest_one_instead(with_a_run):
    done = frostgate("report", "20990101-000000-beef", cwd=with_a_run)
    assert done.returncode == 2 and "There is no run 20990101-000000-beef in" in done.stderr


def test_a_run_on_data_that_are_not_there_still_has_a_summary(tmp_path):
    settings = ("--set", "data.uri=no-such-folder", "--set", "backbone.weights=none")
    done = frostgate("run", "--json", *settings, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    printed = json.loads(done.stdout)
    assert (printed["status"], printed["nodes"]) == ("refused", []) and "no-such-folder" in printed["message"]
    assert json.loads(Path(printed["log"]).with_name("summary.json").read_text()) == printed
    assert f"REFUSED  {printed['message']}" in frostgate("run", *settings, cwd=tmp_path).stdout


@pytest.mark.tfx
def test_a_dry_run_lists_the_nodes_and_runs_none(tmp_path):
    done = frostgate("run", "--dry-run", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    plan = json.loads(done.stdout)
    assert plan["data"]["classes"] == list("56789") and plan["baseline"] == "none"
    assert plan["nodes"][0] == "ImageExampleGen" and {"PushGate", "Pusher", "RegistryPush"} <= set(plan["nodes"])
    assert not list(tmp_path.rglob("metadata.sqlite")) and not list(tmp_path.rglob("runs"))


def test_a_reader_that_stops_reading_is_no_error(tmp_path):
    command = f"{sys.executable} -m pipeline.cli.main config show | head -1"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def test_a_report_shows_verdict_checks_and_places(with_a_run):
    done = frostgate("report", cwd=with_a_run)
    assert done.returncode == 0
    assert "BLOCKED  Blocked (G1 mode gap): a reason." in done.stdout
    assert "FIRED  G1   mode gap: a reason." in done.stdout and "card: card.html" in done.stdout
    assert "1. frozen BatchNorm trained on batch statistics (batch_norm_mode, strong evidence)" in done.stdout
    assert "undoing it gives back 98% of the lost accuracy" in done.stdout
    assert "ruled out:\n   - label_order: no other order does better" in done.stdout
    assert "rejected images: 2; the card says which and why" in done.stdout
    assert "recorded, without the alias, as version: 7" in done.stdout
    assert "warning: The gateway is down." in done.stdout
    assert json.loads(frostgate("report", "--json", str(SUMMARY["run_id"]), cwd=with_a_run).stdout) == SUMMARY


def test_a_report_names_the_version_that_the_training_started_from(with_a_run):
    (path,) = with_a_run.rglob("summary.json")
    start = {"version": "3", "sentence": "The training started from the weights of version 3."}
    summary = json.loads(path.read_text())
    summary["verdict"]["warm_start"] = start
    path.write_text(json.dumps(summary))
    assert "training started from the weights of version: 3\n" in frostgate("report", cwd=with_a_run).stdout


def test_a_threshold_of_no_feature_is_found_by_validate(tmp_path):
    done = frostgate("validate", "--set", "drift.thresholds.widht=0.5", cwd=tmp_path)
    assert (
        done.returncode == 2 and "drift.thresholds must name features that are compared; received widht" in done.stderr
    )


def test_validate_looks_for_a_weights_file_where_it_looks_for_data(tmp_path):
    told = ("validate", "--set", "backbone.weights=no.weights.h5")
    assert frostgate(*told, cwd=tmp_path).returncode == 0
    done = frostgate(*told, "--data", cwd=tmp_path)
    assert done.returncode == 2 and "there is none at no.weights.h5" in done.stderr


def test_a_held_run_says_how_a_person_may_serve_it(with_a_run):
    (path,) = with_a_run.rglob("summary.json")
    assert "approve" not in frostgate("report", cwd=with_a_run).stdout
    held = SUMMARY | {"status": "held", "verdict": {"decision": "HOLD", "checks": []}}
    path.write_text(json.dumps(held))
    told = (
        "to serve it on your word, with the same --config and --set: frostgate approve 20260101-000000-abcd --by NAME"
    )
    assert told in frostgate("report", cwd=with_a_run).stdout


def test_runs_are_listed(with_a_run):
    table = frostgate("runs", cwd=with_a_run).stdout
    assert all(text in table for text in ("20260101-000000-abcd", "blocked", "0.123", "7"))
    assert json.loads(frostgate("runs", "--json", cwd=with_a_run).stdout) == [SUMMARY]


def test_looks_at_the_requests_are_listed(tmp_path):
    assert "`frostgate monitor` takes one" in frostgate("runs", "--monitoring", cwd=tmp_path).stdout
    message = f"mean_red moved: {'0.31 where 0.1 is allowed, ' * 5}and no accident."
    looked = {
        "run_id": "20260102-000000-abcd",
        "pipeline": "digits",
        "started": "2026-01-02T00:00:00+00:00",
        "seconds": 20.0,
        "status": "drift",
        "exit_code": 3,
        "message": message,
        "drift": {"log": {"num_requests": 432, "days": ["2026-01-01", "2026-01-02"]}},
        "page": "drift.html",
        "warnings": [],
        "log": "log.txt",
        "config": {},
        "nodes": [],
    }
    folder = tmp_path / "frostgate-output" / "digits" / "monitoring" / "runs" / "20260102-000000-abcd"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(looked))
    table = frostgate("runs", "--monitoring", cwd=tmp_path).stdout
    assert all(text in table for text in ("20260102-000000-abcd", "drift", "432", "2026-01-02", message))
    assert json.loads(frostgate("runs", "--monitoring", "--json", cwd=tmp_path).stdout) == [looked]


def test_a_damaged_summary_is_named_and_the_others_are_listed(with_a_run):
    (path,) = with_a_run.rglob("summary.json")
    for number, damage in enumerate(("{}", "", '{"run_id": "cut'), start=1):
        other = path.parents[1] / f"20250101-00000{number}-abcd" / "summary.json"
        other.parent.mkdir()
        other.write_text(damage)
    done = frostgate("runs", cwd=with_a_run)
    assert done.returncode == 0 and path.parent.name in done.stdout and "20250101" not in done.stdout
    for number in (1, 2, 3):
        assert f"20250101-00000{number}-abcd/summary.json must be a run's summary" in done.stderr
