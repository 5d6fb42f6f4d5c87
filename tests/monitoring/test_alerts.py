"""The alert rules: tested by promtool against every illness, one truth in two files, and each explained in the docs."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from cloudcoil.models.prometheus_operator import v1 as operator

from components.monitoring.metrics import parts
from components.monitoring.sending import send
from components.monitoring.settings import MonitoringSettings
from tests.monitoring.summaries import BLOCKED

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "kubeflow" / "monitoring"
UNIT_TESTS = Path(__file__).with_name("rules.test.yaml")
RULES = [rule for group in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"] for rule in group["rules"]]


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed; see tests/install-prometheus.sh")
    return found


def test_every_alert_fires_when_it_must_and_only_then(promtool):
    ended = subprocess.run([promtool, "test", "rules", UNIT_TESTS], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_no_alert_is_left_untested():
    told = re.findall(r'alertname="(\w+)"', UNIT_TESTS.read_text())
    assert set(told) == {rule["alert"] for rule in RULES}


def test_the_operators_rules_are_the_same_rules():
    assert object_in("prometheus-rule.yaml")["spec"] == yaml.safe_load((FOLDER / "rules.yaml").read_text())


@pytest.mark.parametrize(
    ("file", "kind"),
    [("prometheus-rule.yaml", operator.PrometheusRule), ("service-monitor.yaml", operator.ServiceMonitor)],
)
def test_the_operators_objects_are_what_it_knows(file, kind):
    written = object_in(file)
    # What the definition does not know is dropped, and so not there again.
    known = kind.model_validate(written).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert known == written


def test_the_gateway_is_found_by_who_reads_it():
    service, claim, deployment, _ = yaml.safe_load_all((FOLDER / "pushgateway.yaml").read_text())
    monitor = object_in("service-monitor.yaml")
    assert monitor["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"] == service["spec"]["selector"]
    assert deployment["spec"]["template"]["metadata"]["labels"] == service["spec"]["selector"]
    (endpoint,), (port,) = monitor["spec"]["endpoints"], service["spec"]["ports"]
    assert endpoint["port"] == port["name"] and endpoint["honorLabels"] is True
    (volume,) = deployment["spec"]["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    # What Prometheus calls the job of `up`.
    assert f'up{{job="{service["metadata"]["name"]}"}}' in str(RULES)


def test_the_kustomization_lists_what_is_beside_it():
    listed = object_in("kustomization.yaml")
    (dashboard,) = listed["configMapGenerator"]
    files = {path.name for path in FOLDER.iterdir()} - {"kustomization.yaml", "rules.yaml"}
    assert {*listed["resources"], *dashboard["files"]} == files


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do_and_where_more_is_written(rule):
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert "Next: " in rule["annotations"]["description"]
    page, anchor = rule["annotations"]["runbook"].split("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor == rule["alert"].lower() and rule["alert"] in headings


def object_in(file):
    return yaml.safe_load((FOLDER / file).read_text())


def test_a_prometheus_that_reads_a_gateway_alarms_about_a_blocked_run_and_names_the_cause(gateway, prometheus):
    assert send(MonitoringSettings(pushgateway=gateway), "digits", parts(BLOCKED, time.time())) == ()
    wanted = {"FrostgateModelBlocked", "FrostgateModeGap", "FrostgateNeverSucceeded"}
    for _ in range(300):
        alerts = {alert["labels"]["alertname"]: alert for alert in prometheus("alerts")["alerts"]}
        if set(alerts) == wanted:
            break
        time.sleep(0.1)
    assert set(alerts) == wanted
    assert "Cause: batch_norm_mode." in alerts["FrostgateModelBlocked"]["annotations"]["description"]
    assert alerts["FrostgateModelBlocked"]["labels"]["pipeline"] == "digits"
