"""Signals end a block of work, whatever it is doing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import contextlib, os, sys, time
from pipeline.runners.stopping import Stopped, stoppable

def abandon(number):
    print("stuck", number, flush=True)
    os._exit(99)

def wait():
    print("ready", flush=True)
    time.sleep(60)

def swallow():
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            wait()

def clean_up_slowly():
    try:
        wait()
    finally:
        time.sleep(60)

def wrap():
    try:
        wait()
    except KeyboardInterrupt as error:
        raise RuntimeError from error

with stoppable(abandon, grace_seconds=float(sys.argv[2])) as stop:
    try:
        globals()[sys.argv[1]]()
    except (Exception, KeyboardInterrupt) as error:
        print(type(error).__name__, stop.signal_number, flush=True)
"""


def stopped(what, *signals, grace_seconds=30.0):
    """Returns what the program printed after it was sent the signals, its exit status, and the seconds it took."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, what, str(grace_seconds)]
    program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None and program.stdout.readline() == "ready\n"
        started = time.monotonic()
        for number in signals:
            program.send_signal(number)
            time.sleep(0.5)
        said, _ = program.communicate(timeout=20)
    finally:
        program.kill()
    lines = [line for line in said.splitlines() if line != "ready"]
    return lines, program.returncode, time.monotonic() - started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_raised_and_remembered(number):
    said, status, _ = stopped("wait", number)
    assert (said, status) == ([f"Stopped {int(number)}"], 0)


def test_a_wrapped_interruption_is_still_known_to_be_one():
    assert stopped("wrap", signal.SIGTERM)[0] == ["RuntimeError 15"]


def test_work_that_swallows_the_signal_is_abandoned_after_the_grace():
    said, status, seconds = stopped("swallow", signal.SIGTERM, grace_seconds=1.0)
    assert (said, status) == (["stuck 15"], 99)
    assert 1.0 <= seconds < 5.0


def test_a_second_signal_abandons_at_once():
    said, status, seconds = stopped("clean_up_slowly", signal.SIGINT, signal.SIGINT)
    assert (said, status) == (["stuck 2"], 99)
    assert seconds < 5.0


def test_afterwards_signals_mean_what_they_meant_before():
    from pipeline.runners.stopping import stoppable

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stoppable(lambda number: None):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1
