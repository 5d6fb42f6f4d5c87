"""Does anything creep over a year of daily runs?

    python benchmarks/year.py [--days 365] [--out FILE]

A delivery a day, a run on it, a prune a week. The runs are the local runner, TFX's launcher and the metadata store as
they are, on a pipeline whose five nodes do next to nothing: what is measured is what a run leaves behind and pays for,
not what it trains. Prints, for every quarter: rows of the store, its size, folders, and the median seconds of a run
against the first quarter's.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.resolve import Plan

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "runners")]
_HEADING = """# A year of daily runs

{days} runs on {days} deliveries, a prune a week, two cores; nodes that do next to nothing, so that what is
measured is what a run leaves behind and pays for.

"""
_TABLES = ("Execution", "Artifact", "Event", "Context", "Association", "Attribution", "ExecutionProperty")


@dataclass(frozen=True)
class Left:
    """What is there on one evening."""

    day: int
    rows: int
    store_kilobytes: float
    folders: int


def main() -> None:
    """Runs the year and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365, help="runs, one a day")
    parser.add_argument("--out", type=Path, help="also write the table here")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds, left = _year(Path(folder), told.days)
    table = _table(seconds, left)
    print(table)
    if told.out:
        told.out.write_text(_HEADING.format(days=told.days) + table + "\n")


def _year(folder: Path, num_days: int) -> tuple[list[float], list[Left]]:
    from pipeline.config import load
    from pipeline.prune import prune
    from pipeline.runners.local import run

    config = load(None, [f"output={folder}/out", f"data.uri={folder}/span-{{SPAN}}", "backbone.weights=none"])
    seconds, left = [], []
    for day in range(1, num_days + 1):
        for label in ("cat", "dog"):
            (folder / f"span-{day}" / label).mkdir(parents=True)
            (folder / f"span-{day}" / label / "1.png").write_bytes(f"{label}{day}".encode())
        build = partial(_pipeline, witness=folder / f"witness-{day}", version=str(day))
        started = time.perf_counter()
        summary = run(config, build=build)
        seconds.append(time.perf_counter() - started)
        assert summary.status == "pushed", summary.message
        if day % 7 == 0:
            prune(config, False, lambda removal: None)
            left.append(_left(folder / "out", day))
    return seconds, left


def _pipeline(plan: "Plan", witness: Path, version: str) -> Any:
    import tiny_nodes

    # Another witness and version a day: every node runs every day.
    return tiny_nodes.pipeline(plan.folders.root, witness, version=version)


def _left(output: Path, day: int) -> Left:
    store = output / "digits" / "metadata.sqlite"
    with sqlite3.connect(store) as connection:
        rows = sum(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in _TABLES)
    return Left(day, rows, store.stat().st_size / 1e3, sum(path.is_dir() for path in output.rglob("*")))


def _table(seconds: list[float], left: list[Left]) -> str:
    lines = [
        "| after day | rows of the store | store, kB | folders | median run against the first quarter |",
        "|---:|---:|---:|---:|---:|",
    ]
    quarter = max(len(seconds) // 4, 7)
    first = statistics.median(seconds[:quarter])
    for start in range(0, len(seconds) - quarter + 1, quarter):
        end = [one for one in left if one.day <= start + quarter][-1]
        ratio = statistics.median(seconds[start : start + quarter]) / first
        lines.append(f"| {end.day} | {end.rows} | {end.store_kilobytes:.0f} | {end.folders} | {ratio:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
