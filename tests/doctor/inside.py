"""What the tests call in a confined child."""

import ctypes
import errno
import mmap
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def attempt(step: Callable[[], Any]) -> str:
    """ "done", or the name of the error."""
    try:
        step()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def change_files(folder: str) -> dict[str, str]:
    """Tries everything that changes a folder with `old.txt` in it."""
    old, new = Path(folder, "old.txt"), Path(folder, "new")
    own = Path(tempfile.mkdtemp())
    return {
        name: attempt(step)
        for name, step in {
            "make": lambda: new.write_text("x"),
            "overwrite": lambda: old.write_text("x"),
            "append": lambda: old.open("a").close(),
            "truncate": lambda: os.truncate(old, 0),
            "truncate as it is opened for reading": lambda: os.close(os.open(old, os.O_RDONLY | os.O_TRUNC)),
            "rename": lambda: old.rename(new),
            "take away": lambda: old.rename(own / "taken.txt"),
            "put": lambda: _written(own / "put.txt").rename(new),
            "link": lambda: os.link(old, own / "linked.txt"),
            "remove": old.unlink,
            "make a folder": new.mkdir,
            "make a symbolic link": lambda: new.symlink_to(old),
            "make a pipe": lambda: os.mkfifo(new),
            "change rights": lambda: old.chmod(0o777),
            "change rights by a folder": lambda: os.chmod(old.name, 0o777, dir_fd=os.open(folder, os.O_RDONLY)),
            "change rights of what is open": lambda: os.chmod(os.open(old, os.O_RDONLY), 0o777),
            "change times": lambda: os.utime(old, (0, 0)),
            "change attributes": lambda: os.setxattr(old, "user.x", b"x"),
        }.items()
    }


def _written(path: Path) -> Path:
    path.write_text("x")
    return path


def write_in_its_own_folder() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        path, moved = Path(folder, "a.txt"), Path(folder, "deeper", "b.txt")
        path.write_text("abc")
        os.truncate(path, 2)
        moved.parent.mkdir()
        path.rename(moved)
        text = moved.read_text()
    with open(os.devnull, "w") as null:
        null.write("x")
    return {"text": text, "home": os.path.expanduser("~"), "temporary": tempfile.gettempdir()}


def connect(port: int, path: str) -> dict[str, str]:
    def to(family: int, kind: int, address: Any) -> Callable[[], None]:
        def step() -> None:
            with socket.socket(family, kind) as one:
                one.settimeout(5)
                one.connect(address)
                one.send(b"secret")

        return step

    return {
        "tcp": attempt(to(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port))),
        "udp": attempt(to(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port))),
        "tcp 6": attempt(to(socket.AF_INET6, socket.SOCK_STREAM, ("::1", port))),
        "unix": attempt(to(socket.AF_UNIX, socket.SOCK_STREAM, path)),
        # It makes sockets without the call for them.
        "io_uring": attempt(lambda: _call(425, 1, 0)),
    }


def network_interfaces() -> list[str]:
    return [line.split(":")[0].strip() for line in Path("/proc/self/net/dev").read_text().splitlines()[2:]]


def reach_processes() -> dict[str, str]:
    thread = threading.Thread(target=time.sleep, args=(0,))
    thread.start()
    thread.join()
    return {
        "program": attempt(lambda: subprocess.run(["true"], check=True)),
        "fork": attempt(_fork),
        "signal": attempt(lambda: os.kill(os.getppid(), 0)),
        "signal to all": attempt(lambda: os.kill(0, 0)),
        "signal to itself": attempt(lambda: os.kill(os.getpid(), 0)),
        "its parent's environment": attempt(lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes()),
        "its parent's memory": attempt(lambda: open(f"/proc/{os.getppid()}/mem", "rb").close()),
        "hidden memory": attempt(lambda: os.close(os.memfd_create("x"))),
        "namespace": attempt(lambda: _call(272, 0x10000000)),
    }


def _fork() -> None:
    if not os.fork():
        os._exit(0)


def _call(*numbers: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(*map(ctypes.c_long, numbers)) == -1:
        raise OSError(ctypes.get_errno(), "")


def what_is_known() -> dict[str, Any]:
    opened = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            opened[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
    return {
        "variables": dict(os.environ),
        "at its start": Path("/proc/self/environ").read_bytes().decode(),
        "files": opened,
        "session": os.getsid(0) == os.getpid(),
        "privileges": Path("/proc/self/status").read_text(),
        "folder": os.getcwd(),
    }


def grow(step_bytes: int, most_bytes: int) -> int:
    kept: list[bytearray] = []
    while len(kept) * step_bytes < most_bytes:
        kept.append(bytearray(b"x") * step_bytes)
        time.sleep(0.02)
    return len(kept)


def take_at_once(number_bytes: int) -> int:
    try:
        return len(mmap.mmap(-1, number_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    except OSError:
        raise MemoryError from None


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def signal_itself(number: int) -> None:
    os.kill(os.getpid(), number)


def read_nowhere() -> None:
    ctypes.string_at(0)


def leave(code: int) -> None:
    os._exit(code)


def answer(text: str) -> None:
    """Says something else than it was asked to, as code that took a process over could."""
    for descriptor in range(3, 20):
        attempt(lambda descriptor=descriptor: os.write(descriptor, text.encode()))  # type: ignore[misc]
    os._exit(0)


def flood() -> None:
    while True:
        for descriptor in range(3, 20):
            attempt(lambda descriptor=descriptor: os.write(descriptor, b"x" * 2**20))  # type: ignore[misc]


def say(value: Any) -> Any:
    return value


def refuse(text: str) -> None:
    from components.errors import DataRefused

    raise DataRefused(text)


def fail(text: str) -> None:
    raise AssertionError(text)


def refusal(model: str) -> dict[str, Any]:
    """What is said of a model, and which libraries that took."""
    from components.doctor.files import examine_files
    from components.errors import DataRefused

    try:
        examine_files(model, "train.npz", "eval.npz", None, None, 32)
    except DataRefused as error:
        return {"said": str(error), "imported": sorted({"tensorflow", "keras"} & sys.modules.keys())}
    return {}
