"""Real servers of our own, on loopback: what runs tell things to."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.samples import Samples, samples


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def answering(server: HTTPServer) -> Iterator[str]:
    """The address of a server that answers in a thread of this process until the end."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def mlflow_in(folder: Path) -> Iterator[str]:
    """The address of an MLflow server that keeps everything in a folder, stopped at the end."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, 180)
        yield f"http://127.0.0.1:{port}"
    finally:
        # Its workers are in a session of its own, which has its number.
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@contextmanager
def running(program: str, port: int, folder: Path, *flags: str) -> Iterator[str]:
    """The address of a server that was started for a test, and is stopped after it."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed; see tests/install-prometheus.sh")
    address = f"127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([found, f"--web.listen-address={address}", *flags], stdout=log, stderr=log)
    try:
        _wait(f"http://{address}/-/ready", process)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(url: str, process: subprocess.Popen, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


@contextmanager
def gateway_in(folder: Path) -> Iterator[str]:
    """The address of a Pushgateway that nobody has told anything."""
    # Debian's keeps what it was told in one file of the machine, from test to test.
    with running("prometheus-pushgateway", free_port(), folder, f"--persistence.file={folder}/data") as address:
        yield address


def held_by(gateway: str) -> Samples:
    """What a gateway has of ours."""
    with urllib.request.urlopen(f"{gateway}/metrics", timeout=10) as answer:
        found = samples(answer.read().decode())
    return {key: value for key, value in found.items() if key[0].startswith("frostgate_")}


@contextmanager
def chat_server() -> Iterator[tuple[str, list[Any]]]:
    """The address of a chat server, and what it heard; below /broken and /repeat it takes nothing."""
    heard: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if self.path.startswith("/repeat"):
                self.send_response(404, f"no such hook: {self.path}")
            else:
                self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with answering(HTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield address, heard
