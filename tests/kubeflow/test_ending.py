"""The step after the run, told to a real server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipeline.runners.kubeflow import ending

RUN = ("--pipeline", "cats", "--run", "r1", "--status")


@pytest.fixture
def chat():
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", heard
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"state": "COMPLETE"}, "cats, run r1, is over."),
        ({"state": "FAILED", "error": {}}, "cats, run r1, failed."),
        ({"state": "FAILED", "error": {"message": "out of memory"}}, "cats, run r1, failed: out of memory."),
        ({"state": "CANCELED"}, "cats, run r1, was cancelled."),
        ({}, "cats, run r1, ended as unknown."),
    ],
)
def test_a_line_says_how_the_run_ended_and_is_sent(chat, monkeypatch, capsys, status, said):
    url, heard = chat
    monkeypatch.setenv(ending.NOTIFY_URL, url)
    assert ending.main([*RUN, json.dumps(status)]) == 0
    assert capsys.readouterr().out.strip() == said and heard == [{"text": said}]


def test_nobody_is_told_where_nobody_wants_to_know(chat, monkeypatch):
    monkeypatch.delenv(ending.NOTIFY_URL, raising=False)
    assert ending.main([*RUN, "{}"]) == 0 and chat[1] == []


@pytest.mark.parametrize("place", ["/broken", ":bad", None])
def test_a_server_that_does_not_take_it_fails_the_step_and_its_address_is_not_printed(chat, monkeypatch, capsys, place):
    secret = "http://127.0.0.1:9/secret" if place is None else f"{chat[0]}{place}" if place[0] == "/" else "no-address"
    monkeypatch.setenv(ending.NOTIFY_URL, secret)
    assert ending.main([*RUN, "{}"]) == 1
    told = capsys.readouterr().err
    assert "must take a POST of JSON" in told and secret not in told
