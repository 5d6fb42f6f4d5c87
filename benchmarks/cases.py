"""Does every known collapse end as it must, and what did its author see meanwhile?

    python benchmarks/cases.py [ID ...] [--output FOLDER]

Runs `frostgate cases` (about an hour on two cores; what was run before comes from the cache). Writes the table to
`benchmarks/results/cases.md` and a picture of each naive model's training to `docs/cases/`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from whole_run import RESULTS

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "cases"
CURVES = (
    ("accuracy", "training, training mode"),
    ("train_accuracy", "training, inference mode"),
    ("stop_accuracy", "kept apart"),
)


def main() -> None:
    """Runs, tabulates and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="which cases (default all)")
    parser.add_argument("--output", default="frostgate-output/cases", help="folder that receives everything")
    told = parser.parse_args()
    command = [sys.executable, "-m", "pipeline.cli.main", "cases", *told.ids, "--json", "--output", told.output]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    rows = json.loads(done.stdout)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cases.md").write_text(table(rows))
    PICTURES.mkdir(exist_ok=True)
    for row in rows:
        if row["variant"] == "naive" and row["measurements"] and (epochs := _epochs(Path(told.output), row["case"])):
            draw(epochs, row["measurements"], PICTURES / f"{row['case']}.svg")
    print(table(rows))
    raise SystemExit(done.returncode)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Writes the runs as a table; accuracies are shares."""
    lines = [
        "# Cases",
        "",
        "| case | variant | trainer saw | A | B | C | verdict | first cause | pushed | as it must |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        # A run that broke off measured nothing.
        measured = row["measurements"] or {}
        shares = " | ".join(_share(measured.get(name)) for name in ("claimed", "A", "B", "C"))
        verdict = " ".join([row["decision"] or "none", *(code for code in row["codes"] if code != row["decision"])])
        cause = row["causes"][0] if row["causes"] else ""
        pushed, right = "yes" if row["served_version"] else "no", "yes" if row["as_expected"] else "NO"
        lines.append(f"| {row['case']} | {row['variant']} | {shares} | {verdict} | {cause} | {pushed} | {right} |")
    right = sum(row["as_expected"] for row in rows)
    lines += ["", f"{right} of {len(rows)} runs ended as they must.", ""]
    return "\n".join(lines)


def draw(epochs: Sequence[Mapping[str, Any]], measurements: Mapping[str, Any], path: Path) -> None:
    """Draws what the author saw by epoch, beside what the gate measured."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "frostgate", "font.size": 9}):
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for key, label in CURVES:
            left.plot(range(1, len(epochs) + 1), [epoch.get(key) for epoch in epochs], "o-", markersize=3, label=label)
        left.set(xlabel="epoch", ylabel="accuracy", ylim=(-0.02, 1.02))
        left.legend(fontsize=7, frameon=False)
        names = {"claimed": "trainer saw", "A": "A", "B": "B", "C": "C"}
        values = [(measurements[key] or {"value": 0.0})["value"] for key in names]
        right.bar(list(names.values()), values, color=["#5d6b7a", "#0072b2", "#e69f00", "#009e73"])
        right.set(ylim=(0, 1.1))
        for place, value in enumerate(values):
            right.text(place, value + 0.02, f"{value:.2f}", ha="center")
        figure.savefig(path, metadata={"Date": None})


def _share(counts: Mapping[str, Any] | None) -> str:
    return f"{counts['value']:.3f}" if counts else ""


def _epochs(output: Path, case: str) -> list[Mapping[str, Any]]:
    """The naive model's epochs, from the newest verdict on it."""
    verdicts = (output / f"{case}-naive" / "artifacts" / "PushGate" / "verdict").glob("*/evidence.json")
    newest = max(verdicts, key=lambda path: int(path.parent.name))
    return json.loads(newest.read_text())["history"]["phases"][-1]["epochs"]


if __name__ == "__main__":
    main()
