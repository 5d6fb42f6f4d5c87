"""The child: gives up what it does not need, says what it could give up, and then does as it was told.

It reads one JSON document, writes two, each in a line, and imports nothing but Python's own library and these few
modules until it is confined.
"""

import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final

from components.confinement import landlock, namespaces, seccomp
from components.confinement.libc import call
from components.confinement.limits import number_of_cores
from components.errors import DataRefused, place_of
from components.garbage import collect_seldom

_SET_PARENT_DEATH_SIGNAL, _SET_NO_NEW_PRIVILEGES = 1, 38
# The pictures of an enormous split, kept small to look for copies among, are one file.
_LARGEST_FILE: Final = 32 * 2**30
# What TensorFlow reserves and does not use, the stacks of its threads above all: 8 MB each.
_RESERVED, _RESERVED_A_CORE = 2**30, 128 * 2**20
_DEVICES: Final = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"),
    *(f"/dev/nvidia{number}" for number in range(16)),
)


def confine(scratch: str, network: bool, memory_bytes: int | None, seconds: float, parent: int) -> dict[str, Any]:
    """Gives up what this system lets go of, in this process, which must have one thread.

    Args:
        scratch: The folder that may be written in.
        network: Whether the network stays.
        memory_bytes: Of memory of its own; the parent watches it, and the kernel refuses what is far beyond.
        seconds: By the clock; the parent watches it, and the kernel counts the processors' time.
        parent: The process with which this one ends.

    Returns:
        What was had: `network`, `writing`, `may_start_programs`, `mechanisms`, `missing`.
    """
    had: dict[str, Any] = {}
    missing: list[str] = []

    def attempt(name: str, step: Callable[[], Any]) -> None:
        try:
            had[name] = step()
        except OSError as error:
            missing.append(f"{name}: {error.strerror or error}")

    _limit(memory_bytes, seconds)
    attempt("no new privileges", lambda: call("prctl", _SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    if not network:
        attempt("network namespace", namespaces.leave_network)
    attempt("no capabilities", namespaces.drop_privileges)
    attempt("Landlock", lambda: landlock.restrict(scratch, _DEVICES, network))
    # After what changes privileges, which takes it back.
    attempt("end with the parent", lambda: _end_with(parent))
    attempt("seccomp", lambda: seccomp.restrict(network))
    version = had.get("Landlock") or 0
    isolated = "seccomp" in had or "network namespace" in had
    no_network = "none" if isolated else "udp only" if version >= landlock.SINCE_TCP else "not taken away"
    own_folder = "own folder" if version >= landlock.SINCE_TRUNCATION else "own folder, others emptied"
    return {
        "network": "allowed" if network else no_network,
        "writing": own_folder if version else "not taken away",
        "may_start_programs": "seccomp" not in had,
        "mechanisms": [f"{name} {version}" if name == "Landlock" else name for name in had],
        "missing": missing,
    }


def _limit(memory_bytes: int | None, seconds: float) -> None:
    cores = number_of_cores()
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: _LARGEST_FILE,
        resource.RLIMIT_CPU: int(seconds * cores) + 60,
    }
    if memory_bytes is not None:
        wanted[resource.RLIMIT_DATA] = memory_bytes + _RESERVED + cores * _RESERVED_A_CORE
    for which, value in wanted.items():
        most = resource.getrlimit(which)[1]
        limit = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(which, (limit, limit))


def _end_with(parent: int) -> None:
    call("prctl", _SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        # It ended before we asked to be told.
        os._exit(1)


def _answer(target: str, arguments: dict[str, Any]) -> dict[str, Any]:
    module, _, name = target.partition(":")
    try:
        return {"value": getattr(importlib.import_module(module), name)(**arguments)}
    except DataRefused as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"out_of_memory": True}
    except OSError as error:
        return {"os_error": [error.errno or 0, error.strerror or str(error), str(place_of(error) or "")]}
    # A fault of ours, or of whoever made the files so that one shows.
    except BaseException as error:
        if type(error).__name__ == "ResourceExhaustedError":
            return {"out_of_memory": True}
        return {"failed": traceback.format_exc()}


def main() -> None:
    """Reads an order, confines this process, says by what, and answers."""
    order = json.loads(sys.stdin.buffer.read())
    answers = os.fdopen(os.dup(1), "wb")
    # What the libraries print is nobody's; what Python says before it is confined, the parent reads.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    _say(answers, confine(**order["confinement"]))
    os.dup2(null, 2)
    os.close(null)
    collect_seldom()
    _say(answers, _answer(order["target"], order["arguments"]))
    # Taking TensorFlow apart takes a second, may crash, and the folder goes anyway.
    os._exit(0)


def _say(answers: Any, document: dict[str, Any]) -> None:
    answers.write(json.dumps(document, allow_nan=False).encode() + b"\n")
    answers.flush()
