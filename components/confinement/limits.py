"""How much memory and time a confined process may take."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SHARE: Final = 0.8
DEFAULT_MINUTES: Final = 60.0


@dataclass(frozen=True)
class Limits:
    """What a confined process may take at most."""

    memory_bytes: int | None
    """Memory of its own, without files that are mapped; None: not limited."""
    seconds: float = 60 * DEFAULT_MINUTES
    """By the clock on the wall."""


def default_memory_bytes() -> int | None:
    """80 % of the memory that is left, on this machine or to this container; None where the system does not say."""
    found = [*_machine(), *_control_groups()]
    return int(_SHARE * min(found)) if found else None


def _machine() -> Iterator[int]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _control_groups() -> Iterator[int]:
    """What each control group that this process is in has left; a container's is its own root."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines):
        names = ("memory.max", "memory.current", "inactive_file")
        root = Path("/sys/fs/cgroup")
        if controllers:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            root /= "memory"
        if controllers in ("", "memory"):
            place = root / path.strip("/")
            for folder in (place, *(one for one in place.parents if one.is_relative_to(root))):
                yield from _left(folder, *names)


def _left(folder: Path, limit: str, used: str, reclaimable: str) -> Iterator[int]:
    try:
        most, now = int((folder / limit).read_text()), int((folder / used).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    # There is no such group here, or its limit is the word `max`.
    except (OSError, ValueError):
        return
    yield max(0, most - now + int(statistics.get(reclaimable, 0)))


def memory_of(process: int) -> int | None:
    """Bytes of memory that are a process's own, swapped out or not; None where the system does not say or it ended.

    Files that are mapped do not count: the kernel takes their memory back when it is short.
    """
    try:
        with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as file:
            found = [line.split() for line in file if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:"))]
        return sum(int(words[1]) for words in found) * 1024 if found else None
    except (OSError, ValueError):
        return None


def number_of_cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
