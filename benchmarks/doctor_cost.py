"""What does the doctor cost, in passes of the model over both splits and in seconds beside them?

    python benchmarks/doctor_cost.py [--size 160] [--examples 400] [--repeats 3]

Saves an untrained ResNet50, which calls for nearly every probe, and has `frostgate doctor` examine it; in turn with it
a plain script loads the same model and runs it over both splits once. Writes `benchmarks/results/doctor_cost.md`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from whole_run import RESULTS

ROOT = Path(__file__).parents[1]
# Loads, runs one batch to trace the graph, then one pass over both splits.
_PLAIN = """
import sys, time
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
inputs = np.concatenate([np.load(path)["x"] for path in sys.argv[2:]])
model.predict(inputs[:64], batch_size=64, verbose=0)
started = time.perf_counter()
model.predict(inputs, batch_size=64, verbose=0)
print(time.perf_counter() - started)
"""


def main() -> None:
    """Saves a model and data, times in turn, and tabulates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=160, help="side of the pictures (default 160)")
    parser.add_argument("--examples", type=int, default=400, help="of each split (default 400)")
    parser.add_argument("--repeats", type=int, default=3, help="(default 3)")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model, *splits = _saved(Path(folder), told.size, told.examples)
        pairs = [(_pass_seconds(model, splits), *_doctor(model, splits)) for _ in range(told.repeats)]
    text = table(pairs, told.size, told.examples)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "doctor_cost.md").write_text(text)
    print(text)


def table(pairs: list[tuple[float, float, dict[str, Any]]], size: int, examples: int) -> str:
    """Writes every repetition as a row; the last column is what is left of the whole after the passes."""
    lines = [
        f"# The doctor on ResNet50, {examples} + {examples} pictures of {size} px",
        "",
        "| plain pass, s | passes | whole command / plain pass | rest, s |",
        "|---|---|---|---|",
    ]
    rest = []
    for seconds, whole, report in pairs:
        passes = report["forward_passes"]
        rest.append(whole - passes * seconds)
        lines.append(f"| {seconds:.1f} | {passes} | {whole / seconds:.2f} | {rest[-1]:.1f} |")
    unexamined = ", ".join(one["id"] for one in pairs[-1][2]["diagnosis"]["unexamined"])
    lines += ["", f"Median rest {statistics.median(rest):.1f} s. Not examined: {unexamined}.", ""]
    return "\n".join(lines)


def _saved(folder: Path, size: int, examples: int) -> list[Path]:
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50(weights=None, input_shape=(size, size, 3), classes=10)
    model.compile(loss="sparse_categorical_crossentropy")
    model.save(folder / "model.keras")
    random = np.random.default_rng(0)
    paths = [folder / "model.keras"]
    for split in ("train", "eval"):
        # Far from what fresh moving statistics expect, and validation on another scale: most probes are asked.
        scale = 60.0 if split == "train" else 1.0
        pictures = random.normal(scale, scale, (examples, size, size, 3)).astype(np.float32)
        paths.append(folder / f"{split}.npz")
        np.savez(paths[-1], x=pictures, y=random.integers(0, 10, examples))
    return paths


def _pass_seconds(model: Path, splits: list[Path]) -> float:
    command = [sys.executable, "-c", _PLAIN, str(model), *map(str, splits)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _doctor(model: Path, splits: list[Path]) -> tuple[float, dict[str, Any]]:
    data = ["--train", str(splits[0]), "--eval", str(splits[1])]
    command = [sys.executable, "-m", "pipeline.cli.main", "doctor", str(model), *data, "--json"]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return time.perf_counter() - started, json.loads(done.stdout)


if __name__ == "__main__":
    main()
