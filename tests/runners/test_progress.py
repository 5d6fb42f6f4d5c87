"""What a person sees while a run goes on, on a terminal and in a file."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.cli.live import progress_to

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys
from pipeline.cli.live import progress_to
from pipeline.runners.console import output_to
from pipeline.runners.results import NodeResult

with progress_to(sys.stderr) as progress, output_to(sys.argv[1]):
    progress.run_started("20260101-000000-abcd", ["ImageExampleGen", "Trainer", "PushGate"])
    os.write(2, b"noise")
    for node, status in (("ImageExampleGen", "cached"), ("Trainer", "failed"), ("PushGate", "skipped")):
        progress.node_started(node)
        progress.node_finished(NodeResult(id=node, status=status, seconds=1.25, error="a reason"))
"""
LINES = [
    "run 20260101-000000-abcd, 3 nodes",
    "= ImageExampleGen    cached       1.2 s",
    "✗ Trainer            failed       1.2 s",
    "- PushGate           skipped",
]


def started(log: Path, stderr: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(log)], env=environment, stderr=stderr)


def test_elsewhere_than_on_a_terminal_a_node_is_a_plain_line(tmp_path):
    running = started(tmp_path / "log.txt", subprocess.PIPE)
    _, said = running.communicate(timeout=300)
    assert running.returncode == 0
    assert [line.rstrip() for line in said.decode().splitlines()] == LINES
    assert (tmp_path / "log.txt").read_text() == "noise"


def test_a_node_that_takes_long_is_named_while_it_runs(tmp_path):
    slow = PROGRAM.replace("progress.node_started(node)", "progress.node_started(node); time.sleep(0.5)")
    hasty = "import time\nfrom pipeline.cli import live\nlive._LONG_SECONDS = 0.1\n"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", hasty + slow, str(tmp_path / "log.txt")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    lines = [line.rstrip() for line in done.stderr.splitlines()]
    assert [line for line in lines if line not in LINES] == [
        "  ImageExampleGen is running",
        "  Trainer is running",
        "  PushGate is running",
    ]


def test_on_a_terminal_the_same_lines_stay_and_the_cursor_comes_back(tmp_path):
    ours, theirs = os.openpty()
    running = started(tmp_path / "log.txt", theirs)
    os.close(theirs)
    said = b""
    while chunk := _read(ours):
        said += chunk
    os.close(ours)
    assert running.wait(timeout=300) == 0
    text = said.decode()
    assert all(line in text for line in LINES) and "noise" not in text
    assert "\x1b[?25l" in text and text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux says so when the other end is closed.
        return b""


def test_a_run_goes_on_when_nobody_listens_any_more(tmp_path):
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as stream, progress_to(stream) as progress:
        for _ in range(3):
            progress.run_started("20260101-000000-0000", ["Trainer"])
