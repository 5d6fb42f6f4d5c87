"""The parent: starts a confined child, watches it, and takes nothing but JSON from it."""

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from components.confinement.had import Had, gigabytes
from components.confinement.limits import Limits, memory_of
from components.errors import DataRefused
from components.foreign import json_text
from components.ingest.names import escaped

_ROOT: Final = Path(__file__).parents[2]
# What decides how the libraries compute and where they lie; nothing that could be a secret.
_PASSED_ON: Final = frozenset(
    {
        *("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONUTF8", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
        *("CUDA_VISIBLE_DEVICES", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX", "XLA_FLAGS"),
        *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS", "TF_USE_LEGACY_KERAS"),
        *("TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR", "TF_DETERMINISTIC_OPS", "KERAS_BACKEND"),
    }
)
_MOST_SAID: Final = 64 * 2**20
# A process can take some hundred megabytes in this time.
_LOOK_EVERY_SECONDS: Final = 0.05
_LAST_OF_ERRORS: Final = 4_000


@dataclass(frozen=True)
class Confined:
    """What a confined child answered."""

    value: Any
    """JSON. Of a child that foreign files took over it can be anything."""
    had: Had


class ChildFailed(RuntimeError):
    """The child could not start, or failed by a fault of ours; the message has its traceback."""


def run_confined(
    target: str, arguments: Mapping[str, Any], limits: Limits, what: str, network: bool = False
) -> Confined:
    """Calls a function in a child process that can do little more than compute.

    Args:
        target: `module:function`; takes and returns JSON.
        arguments: Its arguments.
        limits: What the child may take.
        what: What the child works on, for the sentences.
        network: Whether it keeps the network, and with it the environment, for a store's credentials.

    Raises:
        DataRefused: The function refused; or the child took too much, crashed, or answered nonsense.
        OSError: The function met one.
        ChildFailed: It failed otherwise.
    """
    with _stopped_by_signals(), _scratch() as scratch:
        errors = Path(scratch, "errors")
        confinement = {
            "scratch": scratch,
            "network": network,
            "memory_bytes": limits.memory_bytes,
            "seconds": limits.seconds,
            "parent": os.getpid(),
        }
        order = {"target": target, "arguments": dict(arguments), "confinement": confinement}
        with errors.open("wb") as file, _started(scratch, network, file) as child:
            said = _watched(child, json.dumps(order).encode(), limits, what)
        first, _, rest = said.partition(b"\n")
        if not first:
            raise ChildFailed(f"the child did not start:\n{_end_of(errors)}")
        # It was written before anything foreign was looked at.
        had = Had.from_document(json_text.parse(first), limits)
    if child.returncode:
        raise DataRefused(_crashed(child.returncode, what))
    return Confined(_value(_parsed(rest, what), limits, what), had)


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="frostgate-")
    try:
        yield folder
    finally:
        # Not TemporaryDirectory: before Python 3.11.9 it changes the rights of what a link in there points to.
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _started(scratch: str, network: bool, errors: Any) -> Iterator["subprocess.Popen[bytes]"]:
    # With -m instead, importing TensorFlow takes another second of the kernel's time, for 640 MB of pages (measured).
    command = [sys.executable, "-P", "-c", "from components.confinement.inside import main; main()"]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=_environment(scratch, network),
        # Away from the terminal: it gets no Ctrl-C but from us, and cannot type there.
        start_new_session=True,
    )
    try:
        yield child
    finally:
        _stop(child)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        # Where programs could not be forbidden, whatever it started, too.
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


def _environment(scratch: str, network: bool) -> dict[str, str]:
    given = dict(os.environ) if network else {name: os.environ[name] for name in _PASSED_ON & os.environ.keys()}
    home = {} if network else {"HOME": scratch, "XDG_CACHE_HOME": scratch, "XDG_CONFIG_HOME": scratch}
    data = os.environ.get("TFDS_DATA_DIR") or os.path.expanduser("~/tensorflow_datasets")
    folders = dict.fromkeys(("TMPDIR", "KERAS_HOME", "MPLCONFIGDIR", "CUDA_CACHE_PATH"), scratch)
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **given,
        **home,
        **folders,
        "TFDS_DATA_DIR": data,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Turns the signals that end a process at once into an exit that stops the child and removes its folder."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watched(child: "subprocess.Popen[bytes]", order: bytes, limits: Limits, what: str) -> bytes:
    """Sends the order, and returns what the child says until it ends."""
    assert child.stdin is not None and child.stdout is not None
    deadline = time.monotonic() + limits.seconds
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(order)
        child.stdin.close()
    said = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if selector.get_map() and selector.select(_LOOK_EVERY_SECONDS):
                piece = os.read(child.stdout.fileno(), 2**20)
                said += piece
                if not piece:
                    selector.unregister(child.stdout)
            elif not selector.get_map():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_LOOK_EVERY_SECONDS)
                    return bytes(said)
            _check(child.pid, said, deadline, limits, what)


def _check(process: int, said: bytearray, deadline: float, limits: Limits, what: str) -> None:
    if time.monotonic() > deadline:
        raise DataRefused(
            f"Examining {what} was not over after {limits.seconds / 60:g} minutes and was stopped. Give --max-minutes "
            "more, or fewer examples."
        )
    if limits.memory_bytes is not None and (memory_of(process) or 0) > limits.memory_bytes:
        raise DataRefused(_too_much_memory(limits, what))
    if len(said) > _MOST_SAID:
        raise DataRefused(f"Examining {what} gave a report of more than {_MOST_SAID >> 20} MiB and was stopped.")


def _too_much_memory(limits: Limits, what: str) -> str:
    most = "there is" if limits.memory_bytes is None else gigabytes(limits.memory_bytes)
    return (
        f"Examining {what} took more memory than {most} and was stopped. Give --max-memory more where there is more, "
        "or fewer examples."
    )


def _crashed(code: int, what: str) -> str:
    if code > 0:
        return f"Examining {what} ended with exit code {code} and without a report; it may be damaged."
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    guesses: dict[int, str] = {
        signal.SIGKILL: "; if nobody killed it, the system had no memory left",
        signal.SIGXCPU: ", for it took more of the processors' time than --max-minutes gives",
    }
    guess = guesses.get(-code, "; it may be damaged, or made to crash TensorFlow")
    return f"Examining {what} ended with {name} and without a report{guess}."


def _parsed(line: bytes, what: str) -> dict[str, Any]:
    try:
        answer = json_text.parse(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or len(answer) != 1:
        raise DataRefused(f"Examining {what} gave no report that can be read; it may be made to deceive.")
    return answer


def _value(answer: dict[str, Any], limits: Limits, what: str) -> Any:
    kind, said = next(iter(answer.items()))
    if kind == "value":
        return said
    if kind == "refused":
        raise DataRefused(printable(str(said)))
    if kind == "out_of_memory":
        raise DataRefused(_too_much_memory(limits, what))
    if kind == "os_error" and isinstance(said, list) and len(said) == 3 and isinstance(said[0], int):
        raise OSError(said[0], printable(str(said[1])), printable(str(said[2])) or None)
    raise ChildFailed(f"the examination failed:\n{printable(str(said))}")


def printable(text: str) -> str:
    """A text of several lines without control characters, which could move what a terminal shows."""
    return "\n".join(map(escaped, text.split("\n")))


def _end_of(path: Path) -> str:
    return printable(path.read_bytes()[-_LAST_OF_ERRORS:].decode(errors="replace"))
