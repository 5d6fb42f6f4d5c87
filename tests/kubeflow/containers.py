"""A container engine of one's own, and the Kubeflow Pipelines SDK's local runner on it."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from pipeline.runners.kubeflow.spec import steps_of

REPOSITORY = Path(__file__).parents[2]
# Debian's, beside which another client may be in the path.
_DOCKER = "/usr/bin/docker"


class NoEngine(Exception):
    """There is no container engine, and none could be started; says why."""


@contextmanager
def engine(home: Path) -> Iterator[str]:
    """Starts an engine that nobody else uses and stops it afterwards; yields its address.

    Raises:
        NoEngine: It cannot be started here.
    """
    daemon = shutil.which("dockerd")
    if daemon is None:
        raise NoEngine("dockerd is not installed; see tests/install-docker.sh")
    if os.geteuid() != 0:
        raise NoEngine("dockerd needs root")
    home.mkdir(parents=True)
    address = f"unix://{home}/docker.sock"
    command = [daemon, "--data-root", home / "data", "--exec-root", home / "exec", "-H", address]
    command += ["--pidfile", home / "pid"]
    with open(home / "log.txt", "w") as log:
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
    try:
        _wait(process, address, home / "log.txt")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=300)


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    for _ in range(60):
        if process.poll() is not None:
            break
        if docker(address, "info", check=False).returncode == 0:
            return
        time.sleep(1)
    raise NoEngine(f"dockerd did not start: {log.read_text()[-300:]}")


def docker(address: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs the client."""
    environment = {**os.environ, "DOCKER_HOST": address}
    return subprocess.run([_DOCKER, *arguments], env=environment, capture_output=True, text=True, check=check)


def build(address: str, tag: str) -> None:
    """Builds the steps' image as a user would."""
    environment = {**os.environ, "DOCKER_HOST": address, "PATH": f"/usr/bin:{os.environ['PATH']}"}
    authorities = os.environ.get("SSL_CERT_FILE")
    if authorities:
        environment["CA"] = authorities
    command = ["sh", str(REPOSITORY / "kubeflow" / "build.sh"), tag]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]


def run(address: str, package: Path, image: str, root: Path, secrets: Mapping[str, str]) -> None:
    """Runs a compiled pipeline, a container a step; artifacts are left under `root`, which every container sees.

    Args:
        address: The engine's.
        package: The compiled file.
        image: The steps'.
        root: Folder of the artifacts.
        secrets: Variables that a cluster would give the steps.
    """
    import kfp.local
    from kfp import components

    local = root / "local.yaml"
    local.write_text(
        yaml.safe_dump(_for_the_local_runner(next(yaml.safe_load_all(package.read_text())), image, secrets))
    )
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = address
    try:
        kfp.local.init(runner=kfp.local.DockerRunner(), pipeline_root=str(root), raise_on_error=True)
        task = components.load_component_from_file(str(local))
        local.unlink()  # It has the secrets, which a cluster would keep to itself.
        task()
    finally:
        if before is None:
            del os.environ["DOCKER_HOST"]
        else:
            os.environ["DOCKER_HOST"] = before
        # The runner leaves stopped containers behind.
        stopped = docker(address, "ps", "--all", "--quiet").stdout.split()
        if stopped:
            docker(address, "rm", "--force", *stopped)


def _for_the_local_runner(spec: dict[str, Any], image: str, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Takes out what the local runner cannot do: conditions, images by digest, environment variables."""
    for tasks in (spec["root"]["dag"]["tasks"], steps_of(spec)):
        for name in [name for name, task in tasks.items() if "triggerPolicy" in task]:
            del tasks[name]
    for one in spec["deploymentSpec"]["executors"].values():
        container = one["container"]
        container["image"] = image
        variables = [f"{variable['name']}={variable['value']}" for variable in container.pop("env", [])]
        variables += [f"{name}={value}" for name, value in secrets.items()]
        container["command"] = ["env", *variables, *container["command"]]
    return json.loads(json.dumps(spec))
