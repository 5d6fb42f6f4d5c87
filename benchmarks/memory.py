"""Does a run's peak memory grow with the number of images?

    python benchmarks/memory.py [--factors 1 4 16]

Runs the whole pipeline on the embedded digits and on noisy copies of them, each in a process of its own; the backbone
is pretrained once, before. Writes `benchmarks/results/memory.md`.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from whole_run import RESULTS, frostgate, measure

from components.ingest.embedded import materialise
from components.ingest.settings import EMBEDDED_DIGITS


def noisy_copies(digits: Path, target: Path, factor: int) -> None:
    """Writes every digit `factor` times, each copy with noise of its own."""
    random = np.random.default_rng(0)
    for picture in sorted(digits.glob("*/*.png")):
        folder = target / picture.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.asarray(Image.open(picture)).astype(np.float32)
        for copy in range(factor):
            noise = random.normal(0, 8, pixels.shape)
            noisy = np.clip(pixels + noise, 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / f"{picture.stem}-{copy}.png")


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--factors", type=int, nargs="+", default=[1, 4, 16], help="copies of every digit (default 1 4 16)"
    )
    columns: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        measure(frostgate("run", "--json", f"--set=output={folder}/output"))
        digits = Path(materialise(EMBEDDED_DIGITS, f"{folder}/digits"))
        for factor in parser.parse_args().factors:
            data = Path(folder) / f"data-{factor}"
            noisy_copies(digits, data, factor)
            told = [f"--set=output={folder}/output", f"--set=name=copies-{factor}", f"--set=data.uri={data}"]
            done = measure(frostgate("run", "--json", *told))
            columns.append(json.loads(done.output) | {"peak": done.peak_gigabytes, "whole": done.seconds})
    text = report(columns)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "memory.md").write_text(text)
    print(text)


def report(columns: list[dict[str, Any]]) -> str:
    """Writes the table; a node's figure is the process's peak when the node had ended."""
    counts = [sum(column["verdict"]["counts"][split] for split in ("train", "eval")) for column in columns]
    rows = [
        "# Peak memory against the number of images",
        "",
        f"{os.cpu_count()} cores, one run each; gigabytes of resident memory, of the whole process so far.",
        "",
        f"| | {' | '.join(f'{count} images' for count in counts)} |",
        f"|---|{'---|' * len(columns)}",
        "| whole run | " + " | ".join(f"{column['peak']:.2f}" for column in columns) + " |",
        "| seconds | " + " | ".join(f"{column['whole']:.0f}" for column in columns) + " |",
    ]
    for nodes in zip(*(column["nodes"] for column in columns), strict=True):
        peaks = " | ".join(f"{node['peak_memory_gigabytes']:.2f}" for node in nodes)
        rows.append(f"| after {nodes[0]['id']} | {peaks} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
