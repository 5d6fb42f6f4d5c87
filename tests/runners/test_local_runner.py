import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.errors import DataRefused
from components.registry import lease
from pipeline.config import load
from pipeline.resolve import push_destination
from pipeline.runners import local
from pipeline.runners.local import run
from pipeline.runners.results import RunSummary, judge
from pipeline.runners.summaries import past_runs

pytestmark = pytest.mark.tfx

NODES = ["Start", "PushGate", "ServingCheck", "Pusher", "RegistryPush"]
ROOT = Path(__file__).parents[2]


class Listener:
    def __init__(self) -> None:
        self.events: list[str] = []

    def run_started(self, run_id, node_ids):
        self.events.append(f"run of {len(node_ids)}")

    def node_started(self, node_id):
        self.events.append(f"{node_id} started")

    def node_finished(self, result):
        self.events.append(f"{result.id} {result.status}")

    def run_abandoned(self, status, message):
        self.events.append("abandoned")


def executions(tmp_path: Path) -> int:
    return len((tmp_path / "witness").read_text().splitlines())


def statuses(summary: RunSummary) -> list[str]:
    return [node.status for node in summary.nodes]


def test_a_run_that_passes_ends_with_versions_card_and_summary(tiny, tiny_config, capfd):
    listener = Listener()
    summary = run(tiny_config, listener, tiny())
    assert (summary.status, summary.exit_code, summary.message) == ("pushed", 0, "It is a PASS.")
    assert (summary.served_version, summary.registered_version) == ("9", "5")
    assert "It is a PASS." in Path(str(summary.card)).read_text()
    stored = Path(summary.log).with_name("summary.json")
    assert RunSummary.model_validate_json(stored.read_text()) == summary
    assert list(past_runs(stored.parents[1])) == [summary] and not stored.with_name("begun.json").exists()
    assert listener.events[0] == "run of 5"
    assert listener.events[1:] == [f"{node} {event}" for node in NODES for event in ("started", "done")]
    # The libraries' noise is in the log, whoever makes it, and nowhere else.
    assert capfd.readouterr() == ("", "")
    log = Path(summary.log).read_text()
    assert "noise from Python" in log and "noise from a library" in log


def test_a_password_in_the_registrys_address_is_not_in_the_summary(tiny, tiny_config, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    told = [f"output={tiny_config.output}", f"data.uri={tiny_config.data.uri}", "backbone.weights=none"]
    summary = run(load(None, [*told, "registry.uri=http://ann:s3cr3t@127.0.0.1:9"]), None, tiny())
    assert summary.status == "failed" and "http://127.0.0.1:9" in summary.message
    assert summary.config["registry"]["uri"] == "http://127.0.0.1:9"
    assert "s3cr3t" not in Path(summary.log).with_name("summary.json").read_text()


def test_a_second_run_only_looks_outside_and_another_parameter_executes_what_follows(tiny, tiny_config, tmp_path):
    run(tiny_config, None, tiny())
    again = run(tiny_config, None, tiny())
    assert statuses(again) == ["cached"] * 3 + ["done"] * 2 and again.served_version == "9"
    assert executions(tmp_path) == 1
    other = run(tiny_config, None, tiny(version="10"))
    assert statuses(other) == ["cached"] * 3 + ["done"] * 2 and other.served_version == "10"


@pytest.mark.parametrize(
    ("options", "status", "exit_code", "message"),
    [
        ({"decision": "BLOCK"}, "blocked", 3, "It is a BLOCK."),
        ({"decision": "HOLD"}, "held", 4, "It is a HOLD."),
        ({"serves": False}, "blocked", 3, "Blocked (serving check): It answered nonsense."),
        ({"version": ""}, "failed", 1, "The model passed, but no version was pushed; see the log."),
    ],
)
def test_the_verdict_decides_the_exit_code(tiny, tiny_config, options, status, exit_code, message):
    summary = run(tiny_config, None, tiny(**options))
    assert (summary.status, summary.exit_code, summary.message) == (status, exit_code, message)


def test_a_run_is_told_of_although_what_the_data_gate_said_is_gone(tiny_config, tmp_path, monkeypatch):
    def fail(plan, run_id, progress, build, walk):
        walk.outputs["DataGate"] = {"DataDecision": tmp_path / "gone"}
        raise OSError("No such file or directory")

    monkeypatch.setattr(local, "_run_nodes", fail)
    summary = run(tiny_config)
    assert (summary.status, summary.exit_code, summary.data) == ("failed", 1, None)
    assert Path(summary.log).with_name("summary.json").exists()


def arrives(tmp_path: Path, span: int) -> None:
    for label in ("cat", "dog"):
        folder = tmp_path / f"span-{span}" / label
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(f"{label}{span}".encode())


@pytest.fixture
def spans_config(tmp_path):
    arrives(tmp_path, 1)
    told = [f"output={tmp_path}/out", f"data.uri={tmp_path}/span-{{SPAN}}", "data.window=2", "backbone.weights=none"]
    return load(None, told)


def test_nothing_is_new_only_while_what_was_pushed_is_there(tiny, spans_config, monkeypatch):
    monkeypatch.setattr(local, "missing", lambda version, versions, destination: f"{destination} is gone.")
    for _ in range(2):
        summary = run(spans_config, None, tiny())
        assert summary.status == "pushed"
    assert f"{push_destination(spans_config)} is gone. The run goes on." in Path(summary.log).read_text()


def test_a_new_span_is_run_and_nothing_new_is_a_recorded_no_op(tiny, spans_config, tmp_path, pushed_is_there):
    first = run(spans_config, None, tiny())
    assert (first.status, first.spans) == ("pushed", (1,))
    idle = run(spans_config, None, tiny())
    assert (idle.status, idle.exit_code, idle.nodes, idle.served_version) == ("unchanged", 0, (), None)
    assert idle.message.startswith(f"Nothing new in span 1 since run {first.run_id} (pushed)")
    stored = Path(idle.log).with_name("summary.json")
    assert RunSummary.model_validate_json(stored.read_text()) == idle
    assert run(spans_config, None, tiny()).message == idle.message, "it is counted from the verdict, not from a no-op"
    assert run(spans_config, None, tiny(), again=True).status == "pushed"
    arrives(tmp_path, 2)
    assert (run(spans_config, None, tiny()).status, run(spans_config, None, tiny()).spans) == ("pushed", (1, 2))
    # A span that was written again is new.
    (tmp_path / "span-1" / "cat" / "1.png").write_bytes(b"another cat")
    assert run(spans_config, None, tiny()).status == "pushed"
    # And so is another configuration.
    assert run(load(None, _told(spans_config, "gate.max_mode_gap=0.04")), None, tiny()).status == "pushed"


def _told(config, *overrides):
    return [
        f"output={config.output}",
        f"data.uri={config.data.uri}",
        "data.window=2",
        "backbone.weights=none",
        *overrides,
    ]


@pytest.mark.parametrize(
    ("options", "repeated"),
    [
        ({"decision": "BLOCK"}, "unchanged"),
        ({"decision": "HOLD"}, "unchanged"),
        ({"serves": False}, "blocked"),
        # What passed and was not pushed is tried again, and so is what failed.
        ({"version": ""}, "failed"),
        ({"behaviour": "crash"}, "failed"),
    ],
)
def test_only_a_verdict_that_stands_makes_the_next_run_idle(tiny, spans_config, pushed_is_there, options, repeated):
    run(spans_config, None, tiny(**options))
    assert run(spans_config, None, tiny(**options)).status == repeated


def test_data_without_spans_are_run_every_time(tiny, tiny_config):
    run(tiny_config, None, tiny())
    assert run(tiny_config, None, tiny()).status == "pushed"


def test_refused_data_are_told_whole_whatever_was_wrapped_around_them(tiny, tiny_config):
    summary = run(tiny_config, None, tiny(behaviour="refuse"))
    assert (summary.status, summary.exit_code) == ("refused", 2)
    assert summary.message == "The data were refused:\n- one reason\n- another"
    assert statuses(summary) == ["failed", *["skipped"] * 4]


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("crash", "Start failed: ZeroDivisionError: nothing to divide by"),
        ("silent crash", "Start failed: ZeroDivisionError"),
        ("full disk", "{root} could not be written: No space left on device."),
    ],
)
def test_a_crash_names_the_node_and_leaves_the_trace_in_the_log(tiny, tiny_config, behaviour, message):
    summary = run(tiny_config, None, tiny(behaviour=behaviour))
    root = f"{tiny_config.output}/digits"
    assert (summary.status, summary.exit_code, summary.message) == ("failed", 1, message.format(root=root))
    assert statuses(summary) == ["failed", *["skipped"] * 4]
    assert "Traceback" in Path(summary.log).read_text()
    # The next run is not hindered by it.
    assert run(tiny_config, None, tiny()).exit_code == 0


def test_an_artifact_that_changed_is_one_sentence_and_the_next_run_is_not_hindered_by_it(tiny, tiny_config):
    run(tiny_config, None, tiny())
    (report,) = Path(tiny_config.output).rglob("serving.json")
    report.with_name("changed").touch()
    summary = run(tiny_config, None, tiny(version="10"))
    expected = (
        f"{report.parent}: changed is new since the step wrote it, so nothing was made of it. The same command makes "
        "it again."
    )
    assert (summary.status, summary.exit_code, summary.message) == ("failed", 1, expected)
    assert run(tiny_config, None, tiny(version="10")).status == "pushed"


def test_a_run_that_ends_between_push_and_registration_gives_the_destination_back(tiny, tiny_config, monkeypatch):
    import tiny_nodes

    def registry_down():
        raise ConnectionError("nobody answers")

    models = Path(push_destination(tiny_config))
    models.mkdir(parents=True)
    lease.take(models, tiny_nodes.FINGERPRINT)
    monkeypatch.setitem(tiny_nodes.BEHAVIOURS, "registry", registry_down)
    assert run(tiny_config, None, tiny()).status == "failed"
    assert not (models / ".push-lease.json").exists()


def test_an_interruption_inside_a_node_ends_the_run_with_a_summary(tiny, tiny_config):
    summary = run(tiny_config, None, tiny(behaviour="interrupt"))
    assert (summary.status, summary.exit_code) == ("interrupted", 130)
    assert statuses(summary) == ["failed", *["skipped"] * 4]
    assert summary.nodes[0].error == "KeyboardInterrupt"
    stored = Path(summary.log).with_name("summary.json").read_text()
    assert RunSummary.model_validate_json(stored) == summary


def test_data_that_are_not_there_are_refused_before_any_node(tmp_path):
    summary = run(load(None, [f"output={tmp_path}/out", "data.uri=no-such-folder", "backbone.weights=none"]))
    assert (summary.status, summary.exit_code, summary.nodes) == ("refused", 2, ())
    assert "no-such-folder" in summary.message


def test_an_output_that_is_no_folder_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataRefused, match="output must be a folder that can be written to"):
        run(load(None, [f"output={tmp_path}/file"]))


@pytest.mark.parametrize("damage", ["text", "cut", "other"])
def test_a_damaged_metadata_store_is_named_and_never_recreated(tiny, tiny_config, tmp_path, damage):
    store = tmp_path / "out" / "digits" / "metadata.sqlite"
    run(tiny_config, None, tiny())
    if damage == "text":
        store.write_text("this is no database")
    elif damage == "cut":
        store.write_bytes(store.read_bytes()[:5000])
    else:
        store.unlink()
        with sqlite3.connect(store) as connection:
            connection.execute("CREATE TABLE something (id INTEGER)")
    before = store.read_bytes()
    summary = run(tiny_config, None, tiny())
    assert (summary.status, summary.exit_code) == ("failed", 1)
    assert summary.message.startswith(f"{store} must be an ML Metadata store") and "move it away" in summary.message
    assert store.read_bytes() == before


def start(tmp_path: Path, behaviour: str) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("conftest.py")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, script, tmp_path, behaviour], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def wait_for(path: Path, running: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


def test_a_second_run_at_once_is_refused_and_a_stopped_one_is_resumable(tiny, tiny_config, tmp_path):
    for asked, exit_code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        (tmp_path / "witness.started").unlink(missing_ok=True)
        running = start(tmp_path, "slow")
        wait_for(tmp_path / "witness.started", running)
        second = run(tiny_config, None, tiny())
        assert (second.status, second.exit_code) == ("failed", 1)
        assert second.message.startswith(f"Process {running.pid} is running this pipeline in ")
        running.send_signal(asked)
        output, _ = running.communicate(timeout=20)
        assert running.returncode == exit_code
        summary = json.loads(output)
        assert summary["status"] == "interrupted"
        assert [node["status"] for node in summary["nodes"]] == ["failed", *["skipped"] * 4]
    assert run(tiny_config, None, tiny()).exit_code == 0


def test_every_outcome_has_its_exit_code():
    passed, fine = {"decision": "PASS", "sentence": "s"}, {"passed": True, "findings": []}
    no = {"pushed": 0}
    assert judge(passed, fine, {"pushed": 1})[:2] == ("pushed", 0)
    assert judge(passed, fine, no)[:2] == ("failed", 1)
    assert judge(passed, {"passed": False, "findings": ["f"]}, no)[:2] == ("blocked", 3)
    assert judge({"decision": "BLOCK", "sentence": "s"}, fine, {"pushed": 1})[:2] == ("blocked", 3)
    assert judge({"decision": "HOLD", "sentence": "s"}, fine, no)[:2] == ("held", 4)
    late = {"pushed": 0, "objection": "the champion was 1."}
    assert judge(passed, fine, late) == ("held", 4, "Held (registry): the champion was 1.")
    # The gate's word comes before the serving check's.
    broken = {"passed": False, "findings": ["f"]}
    assert judge({"decision": "HOLD", "sentence": "s"}, broken, no) == ("held", 4, "s")
    assert judge({"decision": "BLOCK", "sentence": "s"}, broken, no) == ("blocked", 3, "s")
