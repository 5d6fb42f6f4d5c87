"""Passwords that a run is given, looked for in everything that it leaves behind."""

import base64
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from components.monitoring.webhook import NOTIFY_URL
from pipeline.config import load
from pipeline.runners.local import run

pytestmark = pytest.mark.tfx

# No encoding changes the word, so it is looked for in all of them; what follows it makes clients quote it or stumble.
WORD = "c4n4ry"
PASSWORD = f"{WORD}/4711@x+y"
SIGNED_IN = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()


@pytest.fixture
def server():
    """An MLflow with nothing in it and a Pushgateway in one: who does not know the password is sent away."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            heard.append((self.headers.get("Authorization"), self.command, self.path, body))
            is_known = self.headers.get("Authorization") == SIGNED_IN
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
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield httpd.server_address[1], heard
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def given(port: int) -> str:
    return f"http://ann:{PASSWORD}@127.0.0.1:{port}"


def leak(port: int) -> None:
    """Says the password in every way that a library has."""
    for address in (given(port), f"http://ann:{quote(PASSWORD, safe='')}@127.0.0.1:{port}", f"?auth={PASSWORD}"):
        print(f"connecting to {address}")
        logging.error("no answer from %s", address)
        try:
            raise OSError(f"could not reach {address}")
        except OSError:
            logging.exception("it is away")
    raise RuntimeError(f"login ann, {PASSWORD} was refused by {given(port)}")


@pytest.mark.parametrize("where", ["in a step", "before the first step"])
def test_no_file_output_or_message_of_a_run_has_a_password(
    tiny, tiny_config, server, chat, tmp_path, monkeypatch, capfd, where
):
    import tiny_nodes

    from components.registry.component import Champion

    port, heard = server
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv(NOTIFY_URL, f"{chat[0]}/hook?token={WORD}")
    monkeypatch.setitem(tiny_nodes.BEHAVIOURS, "leak", lambda: leak(port))

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
            f"registry.uri={given(port if where == 'in a step' else 9)}",
            f"monitoring.pushgateway={given(port)}",
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
    asked = [authorization for authorization, _, path, _ in heard]
    assert asked and set(asked) == {SIGNED_IN}
    said = [part for _, _, path, body in heard for part in (path.encode(), body)]
    said += [json.dumps(message).encode() for message in chat[1]]
    assert len(chat[1]) == 1
    said += ["".join(capfd.readouterr()).encode()]
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {"log.txt", "summary.json", "frostgate-digits-run.prom"} <= {path.name for path in files}
    said += [path.read_bytes() for path in files]
    told = SIGNED_IN.removeprefix("Basic ").encode()
    assert [part[:200] for part in said if WORD.encode() in part or told in part] == []
    log = Path(summary.log).read_text()
    assert "Traceback" in log
    assert ("could not reach http://127.0.0.1" in log) == (where == "in a step")
