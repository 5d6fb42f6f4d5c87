"""`frostgate monitor` on a champion in a real registry, through every node of the monitoring pipeline."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.config import load
from pipeline.prune import prune
from pipeline.runners.watching import look
from pipeline.watching import monitoring_folders
from schemas import features

pytestmark = pytest.mark.tfx

UNCHANGED = range(0, 297, 2)


def same(image):
    return image


def darker(image):
    return (image * 0.6).astype(np.uint8)


def with_log(config, folder, *overrides):
    return load(None, [f"output={config.output}", f"serving_log.uri={folder}", *overrides])


def test_a_log_like_the_reference_is_quiet_down_to_the_embeddings(watched, ask, tmp_path):
    ask(tmp_path / "log", same, UNCHANGED, pictures=True)
    found = look(with_log(watched, tmp_path / "log"), "")
    assert (found.status, found.exit_code) == ("quiet", 0), found.message
    assert found.drift is not None and found.drift["log"]["num_embedded"] == len(UNCHANGED)
    compared = {one["feature"]: one for one in found.drift["comparisons"]}
    assert compared[features.EMBEDDING_DISTANCE]["distance"] < 0.1
    assert found.page is not None and "Requests look like what was learnt" in Path(found.page).read_text()


def test_darker_requests_are_an_alert_with_its_numbers(watched, ask, tmp_path):
    ask(tmp_path / "log", darker, UNCHANGED, pictures=True)
    config = with_log(watched, tmp_path / "log", f"monitoring.textfile={tmp_path}")
    found = look(config, "")
    assert (found.status, found.exit_code) == ("drift", 3)
    assert found.drift is not None
    moved = set(found.drift["drifted"])
    assert {*features.CHANNEL_MEANS, features.EMBEDDING_DISTANCE} <= moved and features.HEIGHT not in moved
    text = "".join(path.read_text() for path in tmp_path.glob("frostgate-digits-*.prom"))
    told = {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
    assert told["frostgate_monitoring_status", "digits", "drift"] == 1
    assert told["frostgate_drift_alert", "digits", "mean_red"] == 1
    assert told["frostgate_drift_alert", "digits", "height"] == 0
    assert told["frostgate_drift_distance", "digits", "mean_red", "value"] > 0.1
    assert told["frostgate_drift_distance", "digits", "mean_red", "threshold"] == 0.1


def test_a_look_that_cannot_tell_or_that_looks_back_takes_no_alert_back(watched, ask, tmp_path):
    ask(tmp_path / "log", darker, UNCHANGED, pictures=False)
    (tmp_path / "empty").mkdir()
    told = f"monitoring.textfile={tmp_path}"
    look(with_log(watched, tmp_path / "log", told), "")
    (alert,) = tmp_path.glob("*-drift.prom")
    before = alert.read_text()
    assert "embedding_distance" not in before
    assert look(with_log(watched, tmp_path / "empty", told), "").status == "undecided"
    assert look(with_log(watched, tmp_path / "nowhere", told), "").status == "refused"
    assert alert.read_text() == before
    now = (tmp_path / "frostgate-digits-monitoring.prom").read_text()
    assert look(with_log(watched, tmp_path / "log", told), "2026-01-01").status == "undecided"
    assert (tmp_path / "frostgate-digits-monitoring.prom").read_text() == now


def test_no_request_is_not_quiet(watched, tmp_path, say):
    (tmp_path / "log").mkdir()
    code, found, _ = say(with_log(watched, tmp_path / "log"))
    assert (code, found["status"]) == (4, "undecided")
    assert found["message"].startswith("Too few requests to tell: 0 in 0 files of ")


def test_a_private_log_is_compared_without_embeddings(watched, ask, tmp_path, say):
    ask(tmp_path / "log", same, UNCHANGED, pictures=False)
    code, found, _ = say(with_log(watched, tmp_path / "log"))
    assert (code, found["status"]) == (0, "quiet")
    assert found["message"].endswith("; embedding_distance was not compared (it needs serving_log.pictures).")
    (embedded,) = [one for one in found["drift"]["comparisons"] if one["feature"] == features.EMBEDDING_DISTANCE]
    assert embedded["distance"] is None and embedded["serving"] == "no value"


def test_the_same_log_costs_no_node_twice(watched, ask, tmp_path, say):
    ask(tmp_path / "log", same, range(120), pictures=False)
    config = with_log(watched, tmp_path / "log")
    say(config)
    _, found, _ = say(config)
    assert {node["status"] for node in found["nodes"]} == {"cached"}
    ask(tmp_path / "log", same, range(120), pictures=False)
    _, found, _ = say(config)
    assert {node["id"]: node["status"] for node in found["nodes"]}["ServingLogGen"] == "done"


def test_old_looks_are_pruned_and_the_next_one_goes_on(watched, ask, tmp_path, say):
    ask(tmp_path / "log", same, range(120), pictures=False)
    config = with_log(watched, tmp_path / "log", "retention.runs=1")
    for _ in range(2):
        last = look(config, "")
    removals = prune(config, dry_run=False, tell=lambda _: None)
    assert {removal.kind for removal in removals} >= {"look"}
    root = monitoring_folders(config)
    assert [path.name for path in root.runs.iterdir()] == [last.run_id]
    found = look(config, "")
    assert (found.status, {node.status for node in found.nodes}) == ("quiet", {"cached"})


def test_an_alert_can_start_a_training_run(watched, ask, tmp_path, say):
    ask(tmp_path / "log", darker, range(150), pictures=False)
    config = with_log(watched, tmp_path / "log")
    words = ["--set", "drift.on_alert=train", "--set", f"data.uri={tmp_path / 'nowhere'}"]
    code, found, err = say(config, *words)
    assert (code, found["status"]) == (3, "drift")
    assert "training: REFUSED" in err and "nowhere" in err
    code, found, err = say(config, *words, "--until", datetime.now(UTC).date().isoformat())
    assert (code, found["status"]) == (3, "drift") and "training" not in err


def test_what_would_be_compared_can_be_seen_first(watched, ask, tmp_path, say):
    ask(tmp_path / "log", same, range(5), pictures=False)
    code, found, _ = say(with_log(watched, tmp_path / "log"), "--dry-run")
    assert code == 0
    assert (found["champion"], found["num_files"], len(found["days"])) == ("1", 1, 7)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--set", "output=elsewhere"], "has no champion yet"),
        (
            ["--until", "yesterday"],
            "until must be the last day looked at, written as 2026-12-31; received 'yesterday'",
        ),
        (["--set", "serving_log.uri=nowhere"], "nowhere was not found"),
        (["--set", "serving_log.uri="], "serving_log.uri must name the folder"),
        (["--set", "drift.thresholds={brightness: 0.2}"], "received brightness"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(watched, tmp_path, monkeypatch, say, words, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log").mkdir()
    code, found, _ = say(with_log(watched, tmp_path / "log"), *words)
    assert (code, found["status"]) == (2, "refused")
    assert sentence in found["message"]


def test_a_champion_without_a_reference_is_a_sentence(watched, tmp_path, say):
    from components.push_gate.fingerprint import directory_fingerprint
    from components.registry.opening import open_registry
    from components.registry.protocol import DECISION, FINGERPRINT, ModelRecord
    from components.registry.publishing import publish
    from pipeline.resolve import effective_registry, folders_of

    serving = Path(watched.output).parent / "model" / "Format-Serving"
    config = load(None, [f"output={tmp_path / 'old'}", f"serving_log.uri={tmp_path}"])
    tags = {FINGERPRINT: directory_fingerprint(str(serving)), DECISION: "PASS"}
    record = ModelRecord(tags[FINGERPRINT], "PASS", tags, {}, {}, {serving: "Format-Serving"})
    publish(open_registry(effective_registry(config, folders_of(config))), record, promote=True)
    code, found, _ = say(config)
    assert code == 2 and "Version 1 of digits was registered without a reference" in found["message"]
