"""How often does the doctor refuse a healthy classifier, and does it name what is wrong with a broken one?

    python benchmarks/calibration.py [--pictures digits] [--healthy 300] [--seeds 30] [--first-seed 0] [--only ID ...]

Trains small classifiers of handwritten digits, of CIFAR-10 or of photographs with plain Keras, healthy ones and ones
with a known defect, and has the doctor examine each. A case is a line of the records file; what is there is not trained
again. Writes `benchmarks/results/calibration.md` from all the lines there are. Real pictures are used where they lie
(`tests/copies/families.py`).
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before TensorFlow, with which another package of the name `tests` comes.
from sources import SOURCES

# isort: split
import calibration_report
import keras
import numpy as np
from broken import DEFECTS, Case, drawn
from trained import backbone, in_batches

import frostgate
from components.doctor.report import Report

RESULTS = Path(__file__).with_name("results")
Record = dict[str, Any]
# What a defect must cost, in accuracy, to count.
_HARM = 0.10


def main() -> None:
    """Trains, examines and writes."""
    told = _arguments()
    told.records.parent.mkdir(parents=True, exist_ok=True)
    records = _read(told.records)
    done = {(record["pictures"], record["defect"], record["seed"]) for record in records}
    wanted = [(defect, seed) for defect, seed in _cases(told) if (told.pictures, defect, seed) not in done]
    started = time.monotonic()
    for number, (defect, seed) in enumerate(wanted, 1):
        record = examined(told.pictures, defect, seed, told.records.parent)
        records.append(record)
        with told.records.open("a") as file:
            file.write(json.dumps(record) + "\n")
        _say(f"{number}/{len(wanted)}", record, time.monotonic() - started)
    text = calibration_report.write(records)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "calibration.md").write_text(text)
    print(text)


def examined(source: str, defect: str, seed: int, folder: Path) -> Record:
    """Trains one case and has it examined.

    Args:
        source: A key of SOURCES.
        defect: A key of DEFECTS.
        seed: Of the split, the weights and the sizes.
        folder: Where trained backbones are kept.
    """
    keras.backend.clear_session()
    gc.collect()
    started = time.monotonic()
    draw = drawn(source, defect, seed, folder)
    if draw.is_backbone:
        # Before the seed: to build one for the first time draws random numbers.
        backbone(draw.architecture, folder)
    keras.utils.set_random_seed(1_000 + seed)
    case = DEFECTS[defect].build(draw)
    trained_at = time.monotonic()
    report = frostgate.diagnose(case.model, case.train, case.validation, case.batch_size)
    seconds = [round(trained_at - started, 1), round(time.monotonic() - trained_at, 1)]
    record = {
        "pictures": source,
        "defect": defect,
        "variant": case.variant,
        "architecture": draw.architecture,
        "seed": seed,
        **_scores(case),
        **_answers(report),
        "seconds": seconds,
    }
    return record | {"dud": defect != "healthy" and not _shows(record)}


def _scores(case: Case) -> Record:
    """What a plain script sees."""
    (train, labels), (validation, unseen_labels) = case.train, case.validation
    right, unseen_right = predicted(case.model, train) == labels, predicted(case.model, validation) == unseen_labels
    return {
        "n": len(unseen_labels),
        "num_train": len(labels),
        "B": float(right.mean()),
        "C": float(unseen_right.mean()),
        "unseen_C": float(unseen_right.mean() if case.unseen is None else unseen_right[case.unseen].mean()),
        "recalls": {"train": _recalls(labels, right), "validation": _recalls(unseen_labels, unseen_right)},
    }


def _answers(report: Report) -> Record:
    """What the doctor says."""
    found, document = report.measurements, report.document()
    return {
        "outcome": report.decision.outcome,
        "codes": list(report.decision.codes),
        "causes": [cause.id for cause in report.diagnosis.causes],
        "A": found.modes.first.value if found.modes else found.train.value,
        # From these a changed rule can be tried without training again.
        "measurements": document["measurements"],
        "diagnosis": document["diagnosis"],
    }


def predicted(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Classes in inference mode, as a plain script takes them, int64 [n]."""
    raw = in_batches(model, inputs)
    return (raw[:, 0] > 0.5).astype(np.int64) if raw.shape[1] == 1 else raw.argmax(axis=1)


def _shows(record: Record) -> bool:
    """Whether a defect did harm, as far as can be seen without the doctor."""
    if record["defect"] in ("batch_norm_mode", "statistics_not_converged"):
        return bool(record["A"] - record["B"] >= _HARM)
    recalls = [hits / total for hits, total in record["recalls"]["validation"] if total]
    halfway = (1 + 1 / len(recalls)) / 2
    gap = max(record["A"], record["B"]) - record["unseen_C"]
    return bool(gap >= _HARM or np.mean(recalls) < halfway)


def _recalls(labels: np.ndarray, right: np.ndarray) -> list[tuple[int, int]]:
    """How many of each class are right, of how many."""
    return [(int(right[labels == label].sum()), int((labels == label).sum())) for label in range(labels.max() + 1)]


def _cases(told: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """All cases, the defects in turn, so that a run that is cut short has some of each."""
    counts = {name: told.healthy if name == "healthy" else told.seeds for name in told.only or DEFECTS}
    places = [(place / count, name, place) for name, count in counts.items() for place in range(count)]
    yield from ((name, told.first_seed + place) for _, name, place in sorted(places))


def _read(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _say(place: str, record: Record, seconds: float) -> None:
    what = f"{record['defect']} {record['seed']} ({record['architecture']}, {record['variant']})"
    scores = " ".join(f"{name} {record[name]:.3f}" for name in "ABC")
    dud = " dud" if record["dud"] else ""
    said = f"{record['outcome']} {', '.join(record['causes']) or 'no cause'}"
    print(f"{place} {seconds:.0f} s: {what}: {scores}: {said}{dud}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", choices=SOURCES, default="digits", help="what is learnt (default digits)")
    parser.add_argument("--healthy", type=int, default=300, help="number of healthy trainings (default 300)")
    parser.add_argument("--seeds", type=int, default=30, help="trainings a defect (default 30)")
    parser.add_argument("--first-seed", type=int, default=0, help="to judge rules on seeds they were not fitted to")
    parser.add_argument("--only", nargs="+", choices=sorted(DEFECTS), metavar="DEFECT", help="these, and nothing else")
    records = Path("frostgate-output/calibration/records.jsonl")
    parser.add_argument("--records", type=Path, default=records, help=f"a JSON line a case (default {records})")
    return parser.parse_args()


if __name__ == "__main__":
    main()
