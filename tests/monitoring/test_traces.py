"""A run's spans at a collector of our own, which reads them with OpenTelemetry's own messages."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from components.monitoring import traces
from pipeline.runners.local import run
from pipeline.runners.results import RunSummary
from tests.servers import answering

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
OK, ERROR = 0, 2


@pytest.fixture
def collector(monkeypatch):
    """What a collector heard: path and request; runs are told of it."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            # What the messages do not know is an error.
            heard.append((self.path, json_format.Parse(body, ExportTraceServiceRequest())))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    with answering(HTTPServer(("127.0.0.1", 0), Handler)) as address:
        monkeypatch.setenv(ENDPOINT, address)
        yield heard


def node(name, status="done", seconds=2.0, ended=1_000_003.0, error=None):
    return {"id": name, "status": status, "seconds": seconds, "ended": ended, "error": error}


def summary(**changes):
    values = {
        "run_id": "r1", "pipeline": "cats", "started": "1970-01-12T13:46:40+00:00", "seconds": 9.5, "status": "blocked",
        "exit_code": 3, "message": "Blocked.", "verdict": {"decision": "BLOCK", "codes": ["G1", "G2"]},
        "served_version": None, "registered_version": None, "card": None, "log": "log.txt", "config": {},
        "nodes": [node("Ingest", "cached", 0.5, 1_000_001.0), node("Trainer")],
    }  # fmt: skip
    return RunSummary.model_validate(values | changes).model_dump(mode="json")


def received(heard):
    ((path, request),) = heard
    assert path == "/v1/traces"
    (resource,) = request.resource_spans
    (scope,) = resource.scope_spans
    return {one.name: one for one in scope.spans}, values(resource.resource.attributes)


def values(attributes):
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}


def test_a_run_is_a_span_and_its_nodes_are_its_children(collector):
    assert traces.send_traces(summary()) == ()
    found, resource = received(collector)
    assert resource["service.name"] == "frostgate"
    assert set(found) == {"cats", "Ingest", "Trainer"}
    whole, ingest, trainer = found["cats"], found["Ingest"], found["Trainer"]
    assert trainer.parent_span_id == ingest.parent_span_id == whole.span_id and not whole.parent_span_id
    assert trainer.trace_id == ingest.trace_id == whole.trace_id
    assert (whole.start_time_unix_nano, whole.end_time_unix_nano) == (1_000_000 * 10**9, 1_000_009_500 * 10**6)
    assert (trainer.start_time_unix_nano, trainer.end_time_unix_nano) == (1_000_001 * 10**9, 1_000_003 * 10**9)
    told = values(whole.attributes)
    assert (told["frostgate.verdict"], told["frostgate.exit_code"], told["frostgate.run_id"]) == ("BLOCK", 3, "r1")
    assert [one.string_value for one in told["frostgate.codes"].values] == ["G1", "G2"]
    assert "frostgate.served_version" not in told
    assert values(ingest.attributes)["frostgate.cache_hit"] is True
    assert values(trainer.attributes)["frostgate.cache_hit"] is False
    # The pipeline did what it is for.
    assert {one.status.code for one in found.values()} == {OK}


def test_a_node_that_failed_is_an_error_and_one_that_was_skipped_is_no_span(collector):
    nodes = [node("Trainer", "failed", error="out of memory"), node("Pusher", "skipped", 0.0, None)]
    failed = summary(status="failed", exit_code=1, message="Trainer failed.", verdict=None, nodes=nodes)
    assert traces.send_traces(failed) == ()
    found, _ = received(collector)
    assert set(found) == {"cats", "Trainer"}
    assert (found["Trainer"].status.code, found["Trainer"].status.message) == (ERROR, "out of memory")
    assert (found["cats"].status.code, found["cats"].status.message) == (ERROR, "Trainer failed.")


def test_without_an_address_nothing_is_sent(collector, monkeypatch):
    monkeypatch.delenv(ENDPOINT)
    assert traces.send_traces(summary()) == () and collector == []


def test_a_collector_that_does_not_answer_is_a_sentence(monkeypatch):
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    (sentence,) = traces.send_traces(summary())
    assert sentence == f"The collector that {ENDPOINT} names did not take the run's traces; see the log."


@pytest.mark.tfx
def test_a_whole_run_sends_its_spans(collector, tmp_path, monkeypatch):
    from pipeline.config import load

    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "runners")
    import tiny_nodes

    for label in ("cat", "dog"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "1.png").write_bytes(label.encode())
    config = load(None, [f"output={tmp_path}/out", f"data.uri={tmp_path}/data", "backbone.weights=none"])
    ended = run(config, build=lambda plan: tiny_nodes.pipeline(plan.folders.root, tmp_path / "witness"))
    assert ended.warnings == ()
    found, _ = received(collector)
    assert set(found) == {"digits", "Start", "PushGate", "ServingCheck", "Pusher", "RegistryPush"}
    starts = [found[one.id].start_time_unix_nano for one in ended.nodes]
    assert starts == sorted(starts) and starts[0] >= found["digits"].start_time_unix_nano
    assert values(found["digits"].attributes)["frostgate.verdict"] == "PASS"
