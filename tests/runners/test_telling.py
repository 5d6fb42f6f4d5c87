"""Who hears of a local run."""

from pathlib import Path

import pytest

from components.monitoring.webhook import NOTIFY_URL
from pipeline.runners.local import run

pytestmark = pytest.mark.tfx


@pytest.fixture
def heard(chat, monkeypatch):
    url, heard = chat
    monkeypatch.setenv(NOTIFY_URL, url)
    return heard


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ({"decision": "BLOCK"}, "BLOCKED", "It is a BLOCK."),
        ({"decision": "HOLD"}, "HELD", "It is a HOLD."),
        ({"behaviour": "refuse"}, "REFUSED", "- one reason"),
        ({"behaviour": "crash"}, "FAILED", "Start failed: ZeroDivisionError: nothing to divide by"),
    ],
)
def test_people_hear_of_a_run_that_somebody_should_look_at(tiny, tiny_config, heard, options, status, said):
    summary = run(tiny_config, None, tiny(**options))
    (message,) = heard
    title, *lines = message["text"].splitlines()
    assert title == f"digits, run {summary.run_id}: {status}" and said in lines
    assert f"Log: {summary.log}" in lines
    assert (f"Card: {summary.card}" in lines) == (status in ("BLOCKED", "HELD"))
    assert summary.warnings == ()


@pytest.mark.parametrize("behaviour", ["pass", "interrupt"])
def test_nobody_hears_of_a_run_that_went_well_or_was_stopped(tiny, tiny_config, heard, behaviour):
    run(tiny_config, None, tiny(behaviour=behaviour))
    assert heard == []


def test_a_chat_server_that_is_away_changes_nothing_but_a_warning(tiny, tiny_config, monkeypatch):
    monkeypatch.setenv(NOTIFY_URL, "http://127.0.0.1:9/secret")
    summary = run(tiny_config, None, tiny(decision="BLOCK"))
    assert (summary.status, summary.exit_code) == ("blocked", 3)
    (warning,) = summary.warnings
    assert "Connection refused" in warning and "secret" not in warning


def test_a_collector_that_is_away_is_a_warning_and_its_noise_is_in_the_log(tiny, tiny_config, monkeypatch, capfd):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    summary = run(tiny_config, None, tiny())
    assert (summary.status, summary.exit_code) == ("pushed", 0)
    assert "did not take the run's traces; see the log" in summary.warnings[0]
    assert capfd.readouterr() == ("", "")
    assert "Failed to export" in Path(summary.log).read_text()
