"""What does monitoring show of three deliveries, the second with its labels in another order?

    python benchmarks/three_spans.py [--output FOLDER]

Runs the scheduled pipeline once a delivery (about ten minutes on two cores). Writes `docs/three-spans.svg` from what
each run told Prometheus, and the table to `benchmarks/results/three_spans.md`.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from prometheus_client.parser import text_string_to_metric_families
from whole_run import RESULTS

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "three-spans.svg"
CLASSES = "56789"
NAMES = {1: CLASSES, 2: "67895", 3: CLASSES}
MEASURES = {"A": "training, training mode", "B": "training, inference mode", "C": "validation"}
# What is read off a run: metric, and the values of its labels but the pipeline.
SHOWN = {
    "label_order": ("gap", "label order", "value"),
    "threshold": ("gap", "label order", "threshold"),
    "champion": ("champion_version",),
}

Numbers = Mapping[tuple[str, ...], float]


def main() -> None:
    """Delivers, runs, draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("frostgate-output/three-spans"), help="receives everything")
    output: Path = parser.parse_args().output.absolute()
    told = []
    for span, names in NAMES.items():
        deliver(output / "incoming" / f"span-{span}", span, names)
        told.append(run(output))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "three_spans.md").write_text(table(told))
    draw(told)
    print(table(told))


def deliver(folder: Path, span: int, names: str) -> None:
    """Copies every third of the embedded pictures under the names that they are given."""
    from components.ingest import embedded

    digits = Path(embedded.materialise("embedded:digits-5-9", str(folder.parents[1] / "embedded")))
    for position, picture in enumerate(sorted(digits.glob("[5-9]/*.png"), key=lambda path: path.name)):
        if position % 3 == span - 1:
            target = folder / names[CLASSES.index(picture.parent.name)] / picture.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, target)


def run(output: Path) -> Numbers:
    """Runs the pipeline on the newest delivery, and reads what it told Prometheus."""
    told = [f"data.uri={output}/incoming/span-{{SPAN}}", "data.classes=['5', '6', '7', '8', '9']"]
    told += [
        "data.eval_fraction=0.5",
        "gate.min_eval_examples=100",
        f"output={output}",
        f"monitoring.textfile={output}",
    ]
    command = [sys.executable, "-m", "pipeline.cli.main", "run"]
    subprocess.run(command + [word for one in told for word in ("--set", one)], cwd=ROOT, check=False)
    found = {}
    for path in sorted(output.glob("frostgate-digits-*.prom")):
        for family in text_string_to_metric_families(path.read_text()):
            for one in family.samples:
                labels = [value for key, value in sorted(one.labels.items(), reverse=True) if key != "pipeline"]
                found[(one.name.removeprefix("frostgate_"), *sorted(labels, key=_bounds_last))] = one.value
    return found


def _bounds_last(label: str) -> bool:
    return label in ("value", "low", "high", "threshold")


def status(numbers: Numbers) -> str:
    """How a run ended."""
    return next(key[1] for key, value in numbers.items() if key[0] == "run_status" and value == 1)


def table(told: list[Numbers]) -> str:
    """Writes what each run told."""
    lines = [
        "# Three deliveries",
        "",
        "| span | run | A | B | C | gain of another label order | served version |",
        "|---" * 7 + "|",
    ]
    for span, numbers in enumerate(told, 1):
        shares = " | ".join(f"{numbers['accuracy', name, 'value']:.3f}" for name in MEASURES)
        gain = numbers.get(SHOWN["label_order"])
        lines.append(
            f"| {span} | {status(numbers)} | {shares} | {'' if gain is None else f'{gain:.3f}'} | "
            f"{numbers[SHOWN['champion']]:.0f} |"
        )
    return "\n".join(lines) + "\n"


def draw(told: list[Numbers]) -> None:
    """Draws accuracies with their intervals, what the champion says of the labels, and what is served, a run each."""
    with matplotlib.rc_context({"svg.hashsalt": "frostgate", "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10.5, 3.4), layout="constrained")
        accuracy, order, served = figure.subplots(1, 3)
        places = range(1, len(told) + 1)
        for shift, (name, meaning) in enumerate(MEASURES.items()):
            for place, numbers in zip(places, told, strict=True):
                low, value, high = (numbers.get(("accuracy", name, bound)) for bound in ("low", "value", "high"))
                if low is None or value is None or high is None:
                    continue
                label = f"{name}: {meaning}" if place == 1 else None
                x = place + 0.12 * (shift - 1)
                accuracy.errorbar(x, value, [[value - low], [high - value]], fmt="o", color=f"C{shift}", label=label)
        accuracy.set(title="accuracy", ylim=(0, 1.02))
        accuracy.legend(loc="lower left", fontsize=8)
        for place, numbers in zip(places, told, strict=True):
            if (gain := numbers.get(SHOWN["label_order"])) is None:
                order.text(place, 0.02, "no champion", ha="center", fontsize=8)
            else:
                order.plot(place, gain, "o", color="C3" if status(numbers) == "blocked" else "C2")
        thresholds = [numbers[SHOWN["threshold"]] for numbers in told if SHOWN["threshold"] in numbers]
        order.axhline(thresholds[-1], color="black", linestyle="--", linewidth=1, label="threshold")
        order.set(title="what the champion would gain\nfrom another order of the labels", ylim=(-0.05, 1.02))
        order.legend(loc="upper right", fontsize=8)
        versions = [numbers[SHOWN["champion"]] for numbers in told]
        served.step(places, versions, "o-", where="post", color="C0")
        served.set(title="served version", ylim=(0, max(versions) + 1), yticks=range(1, int(max(versions)) + 1))
        names = [f"span {place}\n{status(numbers)}" for place, numbers in zip(places, told, strict=True)]
        for axes in (accuracy, order, served):
            axes.set_xticks(list(places), names)
            axes.set_xlim(0.5, len(told) + 0.5)
        figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
