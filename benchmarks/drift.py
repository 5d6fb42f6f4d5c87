"""How often does `frostgate monitor` raise an alert that nobody needs, and how small a shift does it see?

    python benchmarks/drift.py [--looks 200] [--out FILE]

Handwritten digits are asked of a logistic regression. Reference and requests are drawn from disjoint halves of the
pictures that it was not trained on, so that a look without a shift has nothing to find. Distances are TFDV's, as
DistributionValidator has it measure them; embeddings are not in it.
"""

import argparse
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pyarrow as pa
import tensorflow_data_validation as tfdv
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory

from components.data_gate.statistics import statistics_options
from components.drift.comparing import distances, validator_config
from components.drift.decision import decide
from components.drift.samples import Samples, compare
from components.drift.settings import DriftSettings
from components.ingest.items import Container, Measured, Raw
from components.ingest.record import Inspector
from components.ingest.settings import DataSettings
from components.intervals import Counts, wilson
from schemas import features

LIMITS: Final = DriftSettings(min_requests=20)
NUM_TRAIN, NUM_REFERENCE = 600, 300
SIZES: Final = (50, 100, 300, 1000)
FEW: Final = 4  # Digits below this are the ones that become rare.
_HEADING: Final = """# Alerts on requests

{looks} looks a cell at {reference} validation images and so many requests; share of looks with an alert, and
Wilson's bounds, each at 95 %. `drift.significance` {level:g}, thresholds as they come.

"""


@dataclass(frozen=True)
class Shift:
    """What became of the pictures."""

    name: str
    brightness: float = 1.0
    share_of_few: float = 1.0
    """How often the small digits are asked about, against how often they were."""


SHIFTS: Final = (
    Shift("none"),
    Shift("2 % darker", brightness=0.98),
    Shift("5 % darker", brightness=0.95),
    Shift("10 % darker", brightness=0.9),
    Shift("digits 0 to 3 half as often", share_of_few=0.5),
    Shift("digits 0 to 3 a quarter as often", share_of_few=0.25),
    Shift("no digits 0 to 3", share_of_few=0.0),
)


class Requests:
    """Pictures, measured once at every brightness."""

    def __init__(self) -> None:
        """Trains the model that is asked."""
        data = load_digits()
        order = np.random.default_rng(0).permutation(len(data.target))
        self._images = np.round(data.images[order] * (255 / 16)).astype(np.uint8)
        self._labels = data.target[order]
        flat = self._images.reshape(len(order), -1)
        self._model = LogisticRegression(C=1e-5, max_iter=1000).fit(flat[:NUM_TRAIN], self._labels[:NUM_TRAIN])
        self._inspector = Inspector(DataSettings())
        self._known: dict[float, list[dict[str, Any]]] = {}

    def drawn(self, half: int, number: int, shift: Shift, random: np.random.Generator) -> list[dict[str, Any]]:
        """Draws requests from a half of the pictures, with replacement."""
        positions = np.arange(NUM_TRAIN + half, len(self._labels), 2)
        weights = np.where(self._labels[positions] < FEW, shift.share_of_few, 1.0)
        chosen = random.choice(positions, number, p=weights / weights.sum())
        measured = self._measured(shift.brightness)
        return [measured[position] for position in chosen]

    def _measured(self, brightness: float) -> list[dict[str, Any]]:
        if brightness not in self._known:
            self._known[brightness] = [self._look(image, brightness) for image in self._images]
        return self._known[brightness]

    def _look(self, image: np.ndarray, brightness: float) -> dict[str, Any]:
        seen = (image * brightness).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(seen).convert("RGB").save(out, "PNG")
        found = self._inspector.look(Raw("", "", None, 0, out.getvalue()), Container("file", ""))
        assert isinstance(found, Measured)
        probabilities = self._model.predict_proba(seen.reshape(1, -1))[0]
        numbers = (found.height, found.width, found.num_bytes, *found.channel_means, *found.channel_stds)
        return {
            **dict(zip(features.NUMBERS, (*numbers, found.sharpness), strict=True)),
            features.FORMAT: found.format,
            features.PREDICTED_CLASS: str(self._model.classes_[probabilities.argmax()]),
            features.CONFIDENCE: float(probabilities.max()),
        }


def main() -> None:
    """Takes the looks and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=200, help="looks a cell")
    parser.add_argument("--out", type=Path, help="also write the table here")
    arguments = parser.parse_args()
    requests = Requests()
    rows = [f"| requests are | {' | '.join(f'{size} requests' for size in SIZES)} |", "|---" * (len(SIZES) + 1) + "|"]
    for shift in SHIFTS:
        cells = [_cell(requests, shift, size, arguments.looks) for size in SIZES]
        rows.append(f"| {shift.name} | {' | '.join(cells)} |")
        print(rows[-1], flush=True)
    heading = _HEADING.format(looks=arguments.looks, reference=NUM_REFERENCE, level=LIMITS.significance)
    table = heading + "\n".join(rows) + "\n"
    print(table)
    if arguments.out:
        arguments.out.write_text(table)


def _cell(requests: Requests, shift: Shift, size: int, looks: int) -> str:
    alerts = sum(_is_alert(requests, shift, size, seed) for seed in range(looks))
    interval = wilson(Counts(alerts, looks), 0.95)
    return f"{alerts / looks:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def _is_alert(requests: Requests, shift: Shift, size: int, seed: int) -> bool:
    random = np.random.default_rng((seed, size))
    reference = requests.drawn(0, NUM_REFERENCE, SHIFTS[0], random)
    serving = requests.drawn(1, size, shift, random)
    before, now = (generate_statistics_in_memory(_batch(rows), statistics_options()) for rows in (reference, serving))
    schema = tfdv.infer_schema(before)
    for one in validator_config(LIMITS).default_slice_config.feature:
        if one.path.step[0] in reference[0]:
            tfdv.get_feature(schema, one.path.step[0]).drift_comparator.CopyFrom(one.distribution_comparator)
    found = tfdv.validate_statistics(now, schema, previous_statistics=before)
    comparisons = compare(distances(found, LIMITS), _samples(reference), _samples(serving))
    return decide(comparisons, size, LIMITS, "").status == "drift"


def _batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    def value(one: Any) -> Any:
        return one.encode() if isinstance(one, str) else one

    return pa.table({key: [[value(row[key])] for row in rows] for key in rows[0]}).to_batches()[0]


def _samples(rows: list[dict[str, Any]]) -> Samples:
    found = Samples()
    lists: dict[str, list[Any]] = {**found.numbers, **found.names}
    for key, values in lists.items():
        values += [row[key] for row in rows if key in row]
    return found


if __name__ == "__main__":
    main()
