"""A Prometheus with our rules."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import free_port, running

RULES = Path(__file__).parents[2] / "kubeflow" / "monitoring" / "rules.yaml"


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
