"""Whether a scheduled run has anything new: the rule, the registry that remembers, and the step in its process."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from components.errors import DataRefused
from components.push_gate.fingerprint import directory_fingerprint
from components.pusher.versions import push
from components.registry.opening import open_registry
from components.registry.protocol import DECISION, FINGERPRINT, ModelRecord, RegisteredVersion, RegistryUnavailable
from components.registry.settings import RegistrySettings
from pipeline.config import load
from pipeline.resolve import effective_registry, folders_of, push_destination
from pipeline.runners.kubeflow.facts import COMPILED, Facts
from pipeline.runners.kubeflow.news import News, judged, look
from pipeline.runners.kubeflow.verdicts import JUDGED, LastVerdict, last_verdict, remember
from tests.servers import held_by

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WORDS = {"pushed": ("PASS", True, True), "blocked": ("BLOCK", True, False), "held": ("HOLD", True, False)}


def verdict(status="pushed", decision="PASS", key="key", at=NOON):
    return LastVerdict(at=at, run_id="r1", run_key=key, status=status, decision=decision)


def version(number, judged=""):
    return RegisteredVersion(number, "", {JUDGED: judged}, "", 0, False)


@pytest.mark.parametrize(
    ("status", "decision", "is_new"),
    [
        ("pushed", "PASS", False),
        ("blocked", "BLOCK", False),
        ("held", "HOLD", False),
        # What passed and is not served has to be judged again.
        ("held", "PASS", True),
        ("blocked", "PASS", True),
        ("failed", "PASS", True),
    ],
)
def test_only_a_verdict_that_stands_makes_the_next_run_idle(status, decision, is_new):
    assert judged((3,), "key", verdict(status, decision)).is_new == is_new
    assert judged((3,), "another", verdict(status, decision)).is_new
    assert judged((3,), "key", None).is_new


def test_it_says_which_run_is_repeated_and_how_to_run_all_the_same():
    said = judged((8, 9), "key", verdict("blocked", "BLOCK")).message
    assert said == "Nothing new in span 8, 9 since run r1 (blocked); again=true runs all the same."


def test_the_last_verdict_is_the_latest_and_not_that_of_the_newest_version():
    later = verdict(key="later", at=NOON + timedelta(days=1))
    registered = [version("1", later.model_dump_json()), version("2", verdict().model_dump_json()), version("3")]
    assert last_verdict(registered) == later.model_copy(update={"version": "1"})
    assert last_verdict([version("3")]) is None


def test_a_damaged_verdict_is_refused_and_never_taken_for_none():
    with pytest.raises(DataRefused, match=r"frostgate\.judged of version 2 must be .* Remove it"):
        last_verdict([version("2", "{}")])


def arrives(folder, span, text=""):
    for label in ("cat", "dog"):
        place = folder / f"span-{span}" / label
        place.mkdir(parents=True, exist_ok=True)
        (place / "1.png").write_bytes(f"{label}{span}{text}".encode())


@pytest.fixture
def facts(tmp_path):
    arrives(tmp_path, 1)
    told = [f"data.uri={tmp_path}/span-{{SPAN}}", "data.classes=[cat, dog]", f"output={tmp_path}/volume"]
    return Facts(config=load(None, told), classes=("cat", "dog"), pretrain_fingerprint="p", schema_file="s")


def given(facts, again=False, **changed):
    told = {"data_uri": facts.config.data.uri, "data_span": 0.0, "gate_max_mode_gap": 0.05} | changed
    return {f"run--{name}": value for name, value in told.items()} | {"again": again}


def settings(facts):
    return effective_registry(facts.config, folders_of(facts.config))


@pytest.fixture
def decided(facts, tmp_path):
    """Ends a run as the step that registers the model does."""

    def end(key, status="pushed", contents="graph", at=NOON):
        decision, serves, pushed = WORDS[status]
        model = tmp_path / f"model-{contents}"
        model.mkdir(exist_ok=True)
        (model / "saved_model.pb").write_text(contents)
        mark = directory_fingerprint(str(model))
        tags = {FINGERPRINT: mark, DECISION: decision}
        registry = open_registry(settings(facts))
        made = registry.register(ModelRecord(mark, decision, tags, {}, {}, {model: "Format-Serving"}))
        if status == "pushed":
            push(model, push_destination(facts.config), mark)
            champion = registry.champion()
            registry.move_alias(made.version, champion.version if champion else None)
        documents = {
            "verdict": ("verdict.json", {"decision": decision, "sentence": "."}),
            "serving_report": ("serving.json", {"passed": serves}),
            "pushed_model": ("pushed.json", {"pushed": int(pushed), "version": 1 if pushed else None}),
            "registration": ("registration.json", {"version": made.version}),
        }
        artifacts = {}
        for name, (file, content) in documents.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file).write_text(json.dumps(content))
            artifacts[name] = [SimpleNamespace(uri=str(tmp_path / name))]
        properties = {"kfp_run_id": "r1", "run_key": key, "settings": settings(facts).model_dump_json()}
        remember(facts, artifacts, artifacts, properties, at)
        return made.version

    return end


def key_of(facts, values):
    """What the step that registers the model would record."""
    from components.ingest.sources import list_source
    from pipeline.runners.kubeflow.facts import told
    from pipeline.runners.kubeflow.properties import changed_at_run_time

    parameters = {name.removeprefix("run--"): value for name, value in values.items() if name != "again"}
    found = list_source(told(facts, parameters).data).fingerprint
    return changed_at_run_time(facts, "RegistryPush", parameters, found)["run_key"]


@pytest.mark.tfx
def test_what_was_decided_is_not_trained_again_until_something_is_new(facts, decided, tmp_path):
    assert look(facts, given(facts)).is_new, "there is no registry yet"
    assert not (tmp_path / "volume").exists(), "to look makes nothing"
    decided(key_of(facts, given(facts)))
    idle = look(facts, given(facts))
    assert (idle.is_new, idle.spans) == (False, (1,)) and "since run r1 (pushed)" in idle.message
    assert look(facts, given(facts, again=True)).is_new
    # Another configuration is new, and so are a file that was written again, and a span.
    assert look(facts, given(facts, gate_max_mode_gap=0.04)).is_new
    arrives(tmp_path, 1, "again")
    assert look(facts, given(facts)).is_new
    arrives(tmp_path, 2)
    assert look(facts, given(facts)).spans == (2,) and look(facts, given(facts)).is_new
    # The run that reads span 1 is the one that was judged, but for its configuration.
    first = given(facts, data_span=1.0)
    assert look(facts, first).is_new
    decided(key_of(facts, first), "blocked", at=NOON + timedelta(days=1))
    assert "since run r1 (blocked)" in look(facts, first).message


@pytest.mark.tfx
def test_a_run_that_comes_to_a_model_that_is_there_is_the_last_all_the_same(facts, decided, tmp_path):
    old = key_of(facts, given(facts))
    first = decided(old)
    arrives(tmp_path, 2)
    decided(key_of(facts, given(facts)), "held", "another", NOON + timedelta(days=1))
    assert not look(facts, given(facts)).is_new
    # The second span was taken away again: the model is the first one, and so is its version.
    for path in sorted((tmp_path / "span-2").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "span-2").rmdir()
    assert look(facts, given(facts)).is_new
    assert decided(old, at=NOON + timedelta(days=2)) == first
    assert not look(facts, given(facts)).is_new
    # What was pushed is gone.
    models = push_destination(facts.config)
    shutil.rmtree(models)
    assert look(facts, given(facts)) == News(
        True, f"{models} no longer serves version {first} as it was pushed. The run goes on.", (1,)
    )


def test_data_without_spans_are_run_every_time(facts, tmp_path):
    assert look(facts, given(facts, data_uri=f"{tmp_path}/span-1")).is_new


def test_without_spans_nothing_is_remembered(facts):
    plain = facts.model_copy(update={"config": load(None, [f"output={facts.config.output}"])})
    remember(plain, {}, {}, {}, NOON)


def test_a_registry_that_does_not_answer_is_no_news_and_no_no_news(facts, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    config = facts.config.model_copy(update={"registry": RegistrySettings(uri="http://127.0.0.1:9")})
    with pytest.raises(RegistryUnavailable, match=r"the model registry at http://127\.0\.0\.1:9 did not do"):
        look(facts.model_copy(update={"config": config}), given(facts))


@pytest.fixture
def step(facts, tmp_path):
    """Runs the step as the launcher does."""

    def run(pushgateway="", **changed):
        monitoring = facts.config.monitoring.model_copy(update={"pushgateway": pushgateway})
        compiled = facts.model_copy(update={"config": facts.config.model_copy(update={"monitoring": monitoring})})
        output = tmp_path / "task" / "output.json"
        message = {
            "inputs": {"parameterValues": given(facts, **changed)},
            "outputs": {"outputFile": str(output), "parameters": {"new": {}, "message": {}}},
        }
        command = [sys.executable, "-m", "pipeline.runners.kubeflow.news", "--executor-input", json.dumps(message)]
        environment = os.environ | {COMPILED: compiled.written()}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        return done, json.loads(output.read_text())["parameterValues"] if output.exists() else None

    return run


@pytest.mark.tfx
def test_the_step_hands_on_what_it_found_and_tells_the_gateway_as_a_local_run_does(facts, decided, step, gateway):
    done, found = step(gateway)
    assert (done.returncode, found["new"], held_by(gateway)) == (0, "yes", {}), done.stderr[-2_000:]
    decided(key_of(facts, given(facts)))
    done, found = step(gateway)
    assert (done.returncode, found["new"]) == (0, "no"), done.stderr[-2_000:]
    assert found["message"] == done.stdout.strip() and found["message"].startswith("Nothing new in span 1 since")
    told = held_by(gateway)
    assert told["frostgate_run_status", "digits", "unchanged"] == 1 and told["frostgate_newest_span", "digits"] == 1
    assert (told["frostgate_run_exit_code", "digits"], told["frostgate_run_pushed", "digits"]) == (0, 0)
    assert told["frostgate_last_success_timestamp_seconds", "digits"] > 1e9
    # Of verdict, data and champion it has nothing to say.
    assert not {key[0] for key in told} & {"frostgate_verdict", "frostgate_data_passed", "frostgate_champion_version"}


def test_data_that_do_not_do_are_one_sentence(step):
    done, found = step(data_span=7.0)
    assert (done.returncode, found) == (2, None)
    assert "frostgate: data.span is 7, but" in done.stderr and "Traceback" not in done.stderr
