"""What does the doctor cost, in passes of the model over both splits and in seconds beside them?

    python benchmarks/doctor_cost.py [--examples 400] [--repeats 5]

Saves an untrained ResNet50, which calls for nearly every probe, and has `frostgate doctor` examine it; in turn with it
a plain script imports Keras, loads the same model, runs a batch in each mode, and then runs over both splits once in
each mode. At 160 px the passes weigh, and their number can be told; at 64 px hardly, and what is left beside them can
be told. Writes `benchmarks/results/doctor_cost.md`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from whole_run import RESULTS

ROOT = Path(__file__).parents[1]
# A batch first, to have the graph.
_PLAIN = """
import sys, time
import keras, numpy as np, tensorflow as tf
model = keras.saving.load_model(sys.argv[1])
inputs = np.concatenate([np.load(path)["x"] for path in sys.argv[2:]])
laps = []
for training in (False, True):
    step = tf.function(lambda batch: model(batch, training=training), autograph=False)
    step(inputs[:64])
    laps.append(time.perf_counter())
    for at in range(0, len(inputs) - len(inputs) % 64, 64):
        step(inputs[at : at + 64])
    laps.append(time.perf_counter())
whole = len(inputs) / (len(inputs) - len(inputs) % 64)
print((laps[1] - laps[0]) * whole, (laps[3] - laps[2]) * whole, laps[1] - laps[0] + laps[3] - laps[2])
"""


class Turn(NamedTuple):
    """One plain script and one doctor after it."""

    size: int
    inference: float
    """Seconds of a pass over both splits; the same of `training`."""
    training: float
    start: float
    """Seconds of the plain script beside its passes: import, load, a first batch in each mode, and its end."""
    doctor: float
    """Seconds of the whole command."""
    passes: float
    unexamined: str

    @property
    def rest(self) -> float:
        """Seconds of the doctor beside its passes; half a pass or more of them is in training mode, which is dearer."""
        return self.doctor - self.passes * self.inference


def main() -> None:
    """Saves a model and data, times in turn, and tabulates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=400, help="of each split (default 400)")
    parser.add_argument("--repeats", type=int, default=5, help="(default 5)")
    told = parser.parse_args()
    turns = []
    for size in (160, 64):
        with tempfile.TemporaryDirectory() as folder:
            model, *splits = _saved(Path(folder), size, told.examples)
            for _ in range(told.repeats):
                turns.append(_turn(size, model, splits))
                print(turns[-1], flush=True)
    text = table(turns, told.examples)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "doctor_cost.md").write_text(text)
    print(text)


def table(turns: list[Turn], examples: int) -> str:
    """Writes medians with range, a size a row."""
    lines = [
        f"# The doctor on ResNet50, {examples} + {examples} pictures, median (range) of {len(turns) // 2} turns",
        "",
        "| size | inference pass, s | training pass, s | plain start, s | passes | rest, s | rest / plain start |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in dict.fromkeys(turn.size for turn in turns):
        these = [turn for turn in turns if turn.size == size]
        columns = (
            [turn.inference for turn in these],
            [turn.training for turn in these],
            [turn.start for turn in these],
            [turn.passes for turn in these],
            [turn.rest for turn in these],
            [turn.rest / turn.start for turn in these],
        )
        lines.append(f"| {size} px | {' | '.join(map(_spread, columns))} |")
    return "\n".join([*lines, "", f"Not examined: {turns[-1].unexamined}.", ""])


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _turn(size: int, model: Path, splits: list[Path]) -> Turn:
    command = [sys.executable, "-c", _PLAIN, str(model), *map(str, splits)]
    started = time.perf_counter()
    plain = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    seconds = time.perf_counter() - started
    inference, training, in_passes = map(float, plain[-3:])
    whole, report = _doctor(model, splits)
    unexamined = ", ".join(one["id"] for one in report["diagnosis"]["unexamined"])
    return Turn(size, inference, training, seconds - in_passes, whole, report["forward_passes"], unexamined)


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


def _doctor(model: Path, splits: list[Path]) -> tuple[float, dict[str, Any]]:
    data = ["--train", str(splits[0]), "--eval", str(splits[1])]
    command = [sys.executable, "-m", "pipeline.cli.main", "doctor", str(model), *data, "--json"]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return time.perf_counter() - started, json.loads(done.stdout)


if __name__ == "__main__":
    main()
