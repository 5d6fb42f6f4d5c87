"""The dashboard: Grafana knows every key of it, and Prometheus has an answer to every question in it."""

import json
import re
import time
import urllib.parse
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from components.monitoring import drift
from components.monitoring.metrics import parts
from components.monitoring.sending import send
from components.monitoring.settings import MonitoringSettings
from tests.monitoring.summaries import PUSHED

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "kubeflow" / "monitoring"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]


DRIFT = {
    "status": "drift",
    "log": {"num_requests": 900},
    "drifted": ["width"],
    "comparisons": [{"feature": "width", "distance": 0.3, "threshold": 0.1}],
}
LOOK = {"pipeline": "digits", "status": "drift", "drift": DRIFT}


# A verdict that says everything, of a run that pushed: no real one does both.
EVERYTHING = {**parts(PUSHED, 1.0), **drift.parts(LOOK, 1.0)}
NAMES = {family.name for part in EVERYTHING.values() for family in part.collect()}


def test_grafana_knows_every_key():
    plugins.register_default_plugins()
    known = json.loads(encoder.JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))
    assert lost(DASHBOARD, known) == []


def lost(written, known, path=""):
    """Where Grafana's own model of a dashboard has not what is written; it adds defaults."""
    if isinstance(written, dict) and isinstance(known, dict):
        return [one for key in written for one in lost(written[key], known.get(key), f"{path}/{key}")]
    if isinstance(written, list) and isinstance(known, list) and len(written) == len(known):
        pairs = enumerate(zip(written, known, strict=True))
        return [one for place, (left, right) in pairs for one in lost(left, right, f"{path}/{place}")]
    return [] if written == known else [path]


def test_a_key_that_grafana_does_not_know_is_found():
    plugins.register_default_plugins()
    wrong = DASHBOARD | {"panels": [PANELS[0] | {"titel": "x"}]}
    known = json.loads(encoder.JSONEncoder().encode(Dashboard.from_json(wrong)))
    assert lost(wrong, known) == ["/panels/0/titel"]


def test_panels_have_places_of_their_own():
    cells = {panel["id"]: panel["gridPos"] for panel in DASHBOARD["panels"]}
    assert len(cells) == len(DASHBOARD["panels"])
    assert all(cell["x"] + cell["w"] <= 24 for cell in cells.values())
    for one, other in combinations(cells.values(), 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart or below, (one, other)


def test_the_pipeline_and_the_source_are_chosen_above():
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["datasource", "pipeline"]
    assert all("$pipeline" in expression for expression in EXPRESSIONS)
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}


def names_in(text):
    return set(re.findall(r"\bfrostgate_\w+", text))


def test_only_what_is_told_is_shown_and_all_of_it():
    assert {name for text in EXPRESSIONS for name in names_in(text)} == NAMES


def test_alerts_ask_for_nothing_that_nobody_tells():
    assert names_in((FOLDER / "rules.yaml").read_text()) <= NAMES


def test_the_docs_name_every_metric():
    page = (FOLDER.parents[1] / "docs" / "monitoring.md").read_text()
    assert sorted(NAMES - names_in(page)) == []


@pytest.fixture
def answered(gateway, prometheus):
    """Asks a Prometheus that was told everything."""
    assert send(MonitoringSettings(pushgateway=gateway), "digits", EVERYTHING) == ()

    def ask(expression):
        return prometheus(f"query?query={urllib.parse.quote(expression)}")["result"]

    for _ in range(300):
        if ask("frostgate_drift_alert") and ask("ALERTS{alertname='FrostgateDrift'}"):
            return ask
        time.sleep(0.1)
    raise TimeoutError


def test_prometheus_has_an_answer_to_every_panel(answered):
    silent = []
    for expression in EXPRESSIONS:
        # Alerts fire after minutes.
        asked = expression.replace("$pipeline", "digits").replace('alertstate="firing"', 'alertstate="pending"')
        if not answered(asked):
            silent.append(expression)
    assert silent == []


def test_prometheus_has_every_label_that_a_rule_asks_for(answered):
    """A label that nobody writes makes a rule that never fires: each selector has to find something."""
    silent = set()
    for rule in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]:
        for one in rule["rules"]:
            silent |= {found for found in re.findall(r"frostgate_\w+\{[^}]*\}", one["expr"]) if not answered(found)}
    assert silent == set()
