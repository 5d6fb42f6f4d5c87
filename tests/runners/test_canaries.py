"""Passwords that a run is given, looked for in everything that it leaves behind."""

import json
import logging
import os
import subprocess
import tempfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from components.credentials import VARIABLE
from components.monitoring.webhook import NOTIFY_URL
from pipeline.config import load
from pipeline.runners.local import run
from tests.canaries import ENVIRONMENT, PLACES, WORD, address_of, canary, said_in, signed_in
from tests.servers import answering

pytestmark = pytest.mark.tfx

SENT = (signed_in("registry"), signed_in("gateway"), canary("header"))


@pytest.fixture
def server():
    """An MLflow with nothing in it, a Pushgateway and a collector in one: who does not know a password is sent away."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            who = self.headers.get("Authorization") or self.headers.get("api-key")
            heard.append((who, self.path, body))
            is_known = who in SENT
            is_search = self.path.partition("?")[0].endswith("/search")
            code = 401 if not is_known else 404 if "/mlflow" in self.path and not is_search else 200
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            none = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}
            self.wfile.write(json.dumps({} if is_search else none).encode())

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    with answering(httpd):
        yield httpd.server_address[1], heard


def leak() -> None:
    """Says every secret in each way that a library has, and so do a child and native code."""
    spoken = [text for place in PLACES for text in (f"http://ann:{canary(place)}@host", address_of(place))]
    for text in (*spoken, *map(canary, PLACES), *(os.environ[name] for name in (*ENVIRONMENT, NOTIFY_URL, VARIABLE))):
        print(f"connecting to {text}")
        logging.error("no answer from %s", text)
        try:
            raise OSError(f"could not reach {text}")
        except OSError:
            logging.exception("it is away")
        os.write(2, f"native code met {text}\n".encode())
    subprocess.run(["sh", "-c", "env; env >&2"], check=True)
    raise RuntimeError(f"{', '.join(map(canary, PLACES))} were refused by {spoken}")


@pytest.mark.parametrize("where", ["in a step", "before the first step"])
def test_no_file_output_or_message_of_a_run_has_a_password(
    tiny, tiny_config, server, chat, tmp_path, monkeypatch, capfd, where
):
    import tiny_nodes

    from components.registry.component import Champion

    port, heard = server
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(NOTIFY_URL, f"{chat[0]}/services/{WORD}-chat/x")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setitem(tiny_nodes.BEHAVIOURS, "leak", leak)
    scratch, arguments = tmp_path / "scratch", []
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    start = subprocess.Popen.__init__

    def starting(self, given, *more, **named):
        arguments.append(given)
        start(self, given, *more, **named)

    monkeypatch.setattr(subprocess.Popen, "__init__", starting)

    def build(plan):
        built = tiny(behaviour="leak")(plan)
        asks = Champion(settings=plan.registry.model_dump_json(), version="latest", code_hash="")
        built.components = [asks, *built.components]
        return built

    config = load(
        None,
        [
            f"output={tmp_path}/out",
            f"data.uri={tiny_config.data.uri}",
            "backbone.weights=none",
            f"registry.uri=http://ann:{canary('registry')}@127.0.0.1:{port if where == 'in a step' else 9}",
            f"monitoring.pushgateway=ann:{canary('gateway')}@127.0.0.1:{port}",
            f"monitoring.textfile={tmp_path}/out",
        ],
    )
    summary = run(config, None, build)
    assert (summary.status, summary.warnings) == ("failed", ())
    print(summary.model_dump_json(), repr(summary), repr(config), config.model_dump_json())

    if where == "in a step":
        # The step reached the registry although no parameter has the password.
        assert [(node.id, node.status) for node in summary.nodes][:2] == [("Champion", "done"), ("Start", "failed")]
        assert "Start failed" in summary.message
        assert (tmp_path / "out" / "digits" / "metadata.sqlite").stat().st_size > 0
    assert {who for who, *_ in heard} == {*SENT} - ({signed_in("registry")} if where != "in a step" else set())
    said = [part for _, path, body in heard for part in (path.encode(), body)]
    said += [json.dumps(message).encode() for message in chat[1]]
    assert len(chat[1]) == 1
    said += ["".join(capfd.readouterr()).encode(), repr(arguments).encode()]
    written = {path.name for path in (tmp_path / "out").rglob("*")}
    assert {"log.txt", "summary.json", "frostgate-digits-run.prom"} <= written
    assert said_in(said, tmp_path / "out", scratch) == []
    log = Path(summary.log).read_text()
    assert "Traceback" in log
    assert ("could not reach http://127.0.0.1" in log) == (where == "in a step")
    if where == "in a step":
        assert "native code met http" in log and "AWS_SECRET_ACCESS_KEY=***" in log and len(arguments) >= 1
