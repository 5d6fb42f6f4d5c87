"""How much longer does the whole pipeline take than a plain Keras script that pretrains and trains the same?

    python benchmarks/whole_run.py [--repeats 3]

Both are measured as whole processes, in turn, each time from nothing; then a run with nothing changed. Writes
`benchmarks/results/whole_run.md`.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Measured:
    """One process, from start to end."""

    seconds: float
    peak_gigabytes: float
    output: str


def measure(command: Sequence[str]) -> Measured:
    """Runs a command; its peak memory is that of the largest of its processes."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        out.seek(0)
        text = out.read()
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}; nothing to measure.")
    return Measured(seconds, _gigabytes(usage), text)


def frostgate(*arguments: str) -> list[str]:
    """Returns the command that runs frostgate with these arguments."""
    return [sys.executable, "-m", "pipeline.cli.main", *arguments]


def _gigabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 1e6


def spread(values: Sequence[float], form: str) -> str:
    """Writes a median with its range."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def report(plain: Sequence[Measured], whole: Sequence[Measured], again: Sequence[Measured]) -> str:
    """Writes the tables."""
    summaries = [json.loads(one.output) for one in whole]
    ratios = [ours.seconds / theirs.seconds for ours, theirs in zip(whole, plain, strict=True)]
    accuracies = [float(re.findall(r"[\d.]+$", one.output.strip())[0]) for one in plain]
    ours = [summary["verdict"]["measurements"]["C"]["value"] for summary in summaries]
    rows = [
        "# The whole run against a plain Keras script",
        "",
        f"{os.cpu_count()} cores, {len(plain)} pairs, in turn; medians with their range.",
        "",
        "| | plain script | frostgate run | nothing changed |",
        "|---|---|---|---|",
        f"| seconds | {_seconds(plain)} | {_seconds(whole)} | {_seconds(again)} |",
        f"| peak memory, GB | {_memory(plain)} | {_memory(whole)} | {_memory(again)} |",
        f"| validation accuracy | {spread(accuracies, '.3f')} | {spread(ours, '.3f')} | |",
        "",
        f"**Ratio of the times: {spread(ratios, '.2f')}.** At most 2.5 was asked for.",
        "",
        "| node | seconds | share |",
        "|---|---|---|",
        *_node_rows(summaries),
    ]
    return "\n".join(rows) + "\n"


def _seconds(measured: Sequence[Measured]) -> str:
    return spread([one.seconds for one in measured], ".1f")


def _memory(measured: Sequence[Measured]) -> str:
    return spread([one.peak_gigabytes for one in measured], ".2f")


def _node_rows(summaries: Sequence[dict[str, Any]]) -> list[str]:
    total = statistics.median(summary["seconds"] for summary in summaries)
    names = [node["id"] for node in summaries[0]["nodes"]]
    by_name = {
        name: [node["seconds"] for summary in summaries for node in summary["nodes"] if node["id"] == name]
        for name in names
    }
    rows = [
        f"| {name} | {spread(times, '.1f')} | {statistics.median(times) / total:.0%} |"
        for name, times in by_name.items()
    ]
    inside = sum(statistics.median(times) for times in by_name.values())
    return [*rows, f"| between and around the nodes | {total - inside:.1f} | {(total - inside) / total:.0%} |"]


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="pairs of runs (default 3)")
    plain, whole, again = [], [], []
    for _ in range(parser.parse_args().repeats):
        with tempfile.TemporaryDirectory() as folder:
            ours = frostgate("run", "--json", f"--set=output={folder}/output")
            plain.append(measure([sys.executable, "benchmarks/plain_keras.py", f"{folder}/plain.keras"]))
            whole.append(measure(ours))
            again.append(measure(ours))
    text = report(plain, whole, again)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "whole_run.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
