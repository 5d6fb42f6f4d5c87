"""Processes for a backend's steps. Importing TFX would be most of a step: they are forked where that is done."""

import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_FORKED = "step"
_CONTEXT = multiprocessing.get_context("forkserver")
# What every executor imports; not the entrypoint, which each step starts as Python starts a program.
_CONTEXT.set_forkserver_preload(["pipeline.training", "pipeline.watching", "pipeline.runners.kubeflow.step"])


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> int:
    """Runs a container's command in a process of its own and waits for it.

    Args:
        command: Program and arguments; `python -m MODULE` of this environment's Python is forked, all else is started.
        environment: All of it.
        folder: Where the process starts.
        log: Takes what it prints.

    Returns:
        Its exit code.
    """
    program = shutil.which(command[0], path=environment["PATH"])
    if program is None or Path(program).parent != Path(sys.executable).parent or command[1] != "-m":
        with open(log, "wb") as written:
            return subprocess.run(command, env=environment, cwd=folder, stdout=written, stderr=written).returncode
    told = {"TOLD": (list(command[2:]), dict(environment), str(folder), str(log))}
    # pytest imports tests from their files, which another process cannot find by their modules' names.
    process = _CONTEXT.Process(target=runpy.run_path, args=(__file__, told, _FORKED))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _become(arguments: list[str], environment: dict[str, str], folder: str, log: str) -> None:
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == _FORKED:
    _become(*globals()["TOLD"])
