"""Real servers of our own, on loopback: what the monitoring talks to."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

RULES = Path(__file__).parents[2] / "kubeflow" / "monitoring" / "rules.yaml"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


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


def _wait(url: str, process: subprocess.Popen) -> None:
    for _ in range(200):
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


@pytest.fixture
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Pushgateway that nobody has told anything."""
    folder = tmp_path_factory.mktemp("gateway")
    # Debian's keeps what it was told in one file of the machine, from test to test.
    with running("prometheus-pushgateway", free_port(), folder, f"--persistence.file={folder}/data") as address:
        yield address


@pytest.fixture
def prometheus(gateway: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Asks a Prometheus that has our rules and reads the gateway every second: path below /api/v1 -> its data."""
    folder = tmp_path_factory.mktemp("prometheus")
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": "frostgate-pushgateway",
                "honor_labels": True,
                "static_configs": [{"targets": [gateway.removeprefix("http://")]}],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))
    flags = (f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/store")
    with running("prometheus", free_port(), folder, *flags) as address:

        def asked(path: str) -> Any:
            with urllib.request.urlopen(f"{address}/api/v1/{path}", timeout=10) as answer:
                return json.load(answer)["data"]

        yield asked
