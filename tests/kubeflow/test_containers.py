"""The compiled pipeline in real containers of the real image."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from pipeline.config import load
from tests.canaries import ENVIRONMENT, said_in
from tests.conftest import ONE_THREAD, SHORT_PRETRAINING
from tests.kubeflow import containers

pytestmark = [pytest.mark.engine, pytest.mark.containers]

IMAGE = "frostgate:test"


@pytest.fixture(scope="module")
def engine():
    # Sockets have short names, and an engine's data do not go into a test's folder: they are an overlay.
    home = Path(tempfile.mkdtemp(prefix="frostgate-engine-"))
    try:
        with containers.engine(home / "engine") as address:
            yield address
    except containers.NoEngine as reason:
        pytest.skip(f"no containers here: {reason}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def image(engine):
    containers.build(engine, IMAGE)
    return IMAGE


def test_the_image_is_small_in_rights_and_holds_no_build_tools(engine, image):
    (facts,) = json.loads(containers.docker(engine, "image", "inspect", image).stdout)
    assert facts["Config"]["User"] == "1000:1000"
    assert "Healthcheck" not in facts["Config"]
    print(f"size of the image: {facts['Size'] / 1e9:.2f} GB")
    # One container for all questions; its root folder is read-only, as a cluster may have it.
    told = containers.docker(
        engine, "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none", image,
        "sh", "-c", "id -u; command -v g++ gcc uv pip; ls /opt/frostgate; touch /opt/x 2>&1; frostgate --version",
        check=False,
    ).stdout.splitlines()  # fmt: skip
    assert told[0] == "1000" and told[1].startswith("touch:") and told[2].startswith("frostgate "), told


def test_the_pipeline_comes_to_the_local_runs_verdict(engine, image, first_run, tmp_path, capfd):
    from pipeline.runners.kubeflow.compiling import compile_pipeline

    shutil.copytree(first_run.output / "cache" / "backbones", tmp_path / "volume" / "cache" / "backbones")
    _open_to_everybody(tmp_path)
    told = [f"kubeflow.image=frostgate@sha256:{64 * '0'}", f"kubeflow.mount={tmp_path}/volume", "kubeflow.gpus=0"]
    told += [*SHORT_PRETRAINING, *(f"kubeflow.env.{name}='{value}'" for name, value in ONE_THREAD.items())]
    package = tmp_path / "training.yaml"
    package.write_text(compile_pipeline(load(None, told)).to_yaml())
    containers.run(engine, package, image, tmp_path, ENVIRONMENT)
    # What containers print is in what the runner prints.
    printed = capfd.readouterr()
    assert said_in([printed.out.encode(), printed.err.encode()], tmp_path) == []
    (verdict,) = tmp_path.glob("digits-*/PushGate/verdict/verdict.json")
    here, there = first_run.summary["verdict"], json.loads(verdict.read_text())
    assert there["decision"] == "PASS"
    for name in ("weights", "data", "backbone", "config"):
        assert there["fingerprints"][name] == here["fingerprints"][name], name
    assert sorted(path.name for path in (tmp_path / "volume/digits/models").glob("[0-9]*")) == ["1"]


def _open_to_everybody(folder: Path) -> None:
    """Steps run as another user than the test; the folders above a test's own are nobody else's by default."""
    for place in (folder, *folder.rglob("*")):
        place.chmod(0o777 if place.is_dir() else 0o666)
    for above in folder.parents:
        if above.name.startswith(("pytest-", "popen-")):
            os.chmod(above, above.stat().st_mode | 0o011)
