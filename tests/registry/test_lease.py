"""One push at a time, also across machines that share a folder."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.errors import DataRefused
from components.registry import lease


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def take(root: Path, holder: str, clock: Clock, patience: float = 20.0) -> None:
    lease.take(root, holder, patience, clock, clock.sleep)


def test_another_model_waits_and_is_then_refused_in_one_sentence(tmp_path: Path) -> None:
    clock = Clock()
    take(tmp_path, "a" * 64, clock)
    with pytest.raises(DataRefused, match=f"Another push, of model {'a' * 12}, has held .* for 20 seconds"):
        take(tmp_path, "b", clock)
    assert clock.now == 1020.0


def test_the_same_model_goes_on(tmp_path: Path) -> None:
    clock = Clock()
    take(tmp_path, "a", clock)
    clock.now += lease.LEASE_SECONDS - 1
    take(tmp_path, "a", clock)
    # It was prolonged: what was taken first would be over.
    clock.now += 2
    with pytest.raises(DataRefused):
        take(tmp_path, "b", clock)


def test_a_lease_that_was_given_back_is_free(tmp_path: Path) -> None:
    clock = Clock()
    take(tmp_path, "a", clock)
    lease.release(tmp_path, "b")
    with pytest.raises(DataRefused):
        take(tmp_path, "b", clock)
    lease.release(tmp_path, "a")
    take(tmp_path, "b", clock)


def test_what_died_is_overtaken_when_its_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    take(tmp_path, "a", clock)
    take(tmp_path, "b", clock, patience=lease.LEASE_SECONDS)
    assert clock.now == pytest.approx(1000.0 + lease.LEASE_SECONDS, abs=5)


@pytest.mark.parametrize("name", [".push-lease.json", ".push-lease.lock"])
def test_a_folder_in_its_place_goes_if_it_is_empty_and_is_named_if_not(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    take(tmp_path, "a", Clock())
    (tmp_path / name).unlink()
    (tmp_path / name / "kept").mkdir(parents=True)
    with pytest.raises(DataRefused, match=rf"{name} must be a file, which a run writes; a folder lies there"):
        take(tmp_path, "a", Clock())
    assert (tmp_path / name / "kept").is_dir()


def test_a_torn_lease_is_nobodys(tmp_path: Path) -> None:
    take(tmp_path, "a", Clock())
    for text in ('{"holder": ', "[" * 100_000):
        (tmp_path / ".push-lease.json").write_text(text)
        take(tmp_path, "b", Clock())


@pytest.mark.parametrize("until", ["1e18", "NaN", "Infinity", "1e400", "6000"])
def test_a_lease_of_a_clock_that_is_wrong_is_over(tmp_path: Path, until: str) -> None:
    """Nobody is given more than a quarter of an hour, and no two clocks are hours apart."""
    take(tmp_path, "a", Clock())
    (tmp_path / ".push-lease.json").write_text(f'{{"holder": "a", "until": {until}}}')
    take(tmp_path, "b", Clock())


def test_clocks_of_two_machines_may_be_apart(tmp_path: Path) -> None:
    ahead = Clock()
    ahead.now += 3_500
    take(tmp_path, "a", ahead)
    with pytest.raises(DataRefused):
        take(tmp_path, "b", Clock())


KILLED = """
import sys
from pathlib import Path
from components.registry import lease
with lease.of_this_process():
    lease.take(Path(sys.argv[1]), "a")
    print("taken", flush=True)
    sys.stdin.read()
"""


def test_a_lease_that_its_process_would_have_given_back_ends_with_it(tmp_path: Path) -> None:
    """Whatever the clock says; what another process is to give back lasts."""
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "taken\n"
        with pytest.raises(DataRefused, match=r"has held .* for 0 seconds"):
            lease.take(tmp_path, "b", patience_seconds=0)
        process.kill()
    lease.take(tmp_path, "b", patience_seconds=0)
    with pytest.raises(DataRefused, match=r"has held .* for 0 seconds"), lease.of_this_process():
        lease.take(tmp_path, "c", patience_seconds=0)
    lease.release(tmp_path, "b")


def test_a_lease_of_this_process_may_be_taken_again_and_given_back(tmp_path: Path) -> None:
    for _ in range(2):
        with lease.of_this_process(), lease.given_back(tmp_path, "a"):
            lease.take(tmp_path, "a", patience_seconds=0)
            lease.take(tmp_path, "a", patience_seconds=0)
            with pytest.raises(DataRefused):
                lease.take(tmp_path, "b", patience_seconds=0)
    lease.take(tmp_path, "b", patience_seconds=0)


def test_who_waits_is_told_for_whom_and_how_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    take(tmp_path, "a" * 64, clock)
    with pytest.raises(DataRefused):
        take(tmp_path, "b", clock)
    assert caplog.messages == [f"Waiting for the push of model {'a' * 12} to end, 20 s at most."]


HOLD = """
import sys, time
from pathlib import Path
from components.registry import lease
root, log, holder = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
lease._ASK_AGAIN_SECONDS = 0.01
lease.take(root, holder)
with log.open("a") as file:
    file.write(holder + " in\\n")
time.sleep(0.2)
with log.open("a") as file:
    file.write(holder + " out\\n")
lease.release(root, holder)
"""


def test_processes_never_hold_it_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    started = time.monotonic()
    several = [subprocess.Popen([sys.executable, "-c", HOLD, tmp_path, log, holder]) for holder in "abcd"]
    assert [process.wait(timeout=300) for process in several] == [0] * 4
    lines = [line.split() for line in log.read_text().splitlines()]
    assert len(lines) == 8 and time.monotonic() - started < 60
    assert all(entered[0] == left[0] for entered, left in zip(lines[::2], lines[1::2], strict=True)), lines
    assert not list(tmp_path.glob("*.json")), json.dumps(lines)
