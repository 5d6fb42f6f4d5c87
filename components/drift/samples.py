"""The compared values of a split, by feature."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from components.drift.comparing import Distance
from components.drift.decision import Comparison
from components.drift.two_samples import names_p_value, numbers_p_value
from schemas import features


@dataclass
class Samples:
    """What one split says of every feature; an example without a value is not in its list."""

    numbers: dict[str, list[float]] = field(default_factory=lambda: {key: [] for key in features.SERVED_NUMBERS})
    names: dict[str, list[str]] = field(default_factory=lambda: {key: [] for key in features.SERVED_NAMES})


def read_samples(split_uri: str) -> Samples:
    """Reads a split's examples.

    Args:
        split_uri: Folder with `*.gz`.
    """
    found = Samples()
    files = sorted(tf.io.gfile.glob(f"{split_uri.rstrip('/')}/*.gz"))
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP"):
        present = tf.train.Example.FromString(record.numpy()).features.feature
        for key in features.SERVED_NUMBERS:
            if key in present:
                found.numbers[key] += [*present[key].float_list.value, *map(float, present[key].int64_list.value)]
        for key in features.SERVED_NAMES:
            if key in present:
                found.names[key] += [value.decode("utf-8", "replace") for value in present[key].bytes_list.value]
    return found


def compare(distances: dict[str, Distance], reference: Samples, serving: Samples) -> list[Comparison]:
    """Puts TFDV's distance and the two-sample test of every feature side by side."""
    return [_compared(name, distance, reference, serving) for name, distance in distances.items()]


def _compared(name: str, distance: Distance, reference: Samples, serving: Samples) -> Comparison:
    p_value = None
    if name in reference.names:
        before, now = reference.names[name], serving.names[name]
        if before and now:
            p_value = names_p_value(before, now)
        most = _most_different(before, now)
        typical = (_share(most, before), _share(most, now))
    else:
        first, second = (np.asarray(one.numbers[name]) for one in (reference, serving))
        if len(first) and len(second):
            p_value = numbers_p_value(first, second)
        typical = (_median(first), _median(second))
    return Comparison(name, distance.value, distance.threshold, distance.measure, p_value, *typical)


def _most_different(before: Sequence[str], now: Sequence[str]) -> str:
    names = sorted(set(before) | set(now))
    differences = {name: abs(_part(name, before) - _part(name, now)) for name in names}
    return max(names, key=differences.__getitem__) if names else ""


def _part(name: str, found: Sequence[str]) -> float:
    return found.count(name) / len(found) if found else 0.0


def _share(name: str, found: Sequence[str]) -> str:
    return f"{name!r} {_part(name, found):.1%}" if found else "no value"


def _median(values: np.ndarray) -> str:
    return f"median {np.median(values):.4g}" if len(values) else "no value"
