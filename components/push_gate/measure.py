"""The measurements A, B and C, taken on what was exported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from components.copies.search import SIDE
from components.diagnosis.relabelling import best_relabelling
from components.intervals import Counts, PairedCounts
from components.parity import Parity, compare, one_spacing_up
from components.push_gate.copies import SplitCopies, seek_copies
from components.push_gate.evidence import Champion, SliceEvidence
from components.push_gate.examples import SplitExamples, read_split
from components.push_gate.exported import KERAS_PATH, ExportedModel
from components.push_gate.scores import SplitScores, joined, score
from components.push_gate.settings import GateSettings
from components.push_gate.training_mode import inference_probabilities, load_keras, training_mode_predictions
from schemas import features

_BATCH_SIZE = 64
_NUM_PARITY_EXAMPLES = 256
_NUM_NAMED_CLASSES = 5
_MAX_EMBEDDINGS = 500


@dataclass(frozen=True)
class Measurement:
    """Everything that was computed with the model."""

    classes: tuple[str, ...]
    examples: Mapping[str, SplitExamples]
    scores: Mapping[str, SplitScores]
    """Split -> every scored example in inference mode through serving."""
    copies: SplitCopies
    training_mode: np.ndarray | None
    """int64 [n train]: classes predicted in training mode; None without a Keras model."""
    parity: Parity | None
    """Served probabilities against the Keras model's; None without one."""
    embeddings: np.ndarray | None
    """float32 [n, features] of the first validation examples; None where the export gives none."""

    @property
    def modes(self) -> PairedCounts | None:
        """A against B."""
        if self.training_mode is None:
            return None
        scores, rows = self.counted(features.TRAIN), self.counting(features.TRAIN)
        return PairedCounts.of(scores.labels == self.training_mode[rows], scores.right)

    def counting(self, split: str) -> np.ndarray:
        """Positions of the examples that decide, int64: each content once, in validation none that training holds."""
        return self.copies.counting if split == features.EVAL else self.examples[split].first

    def counted(self, split: str) -> SplitScores:
        """Their scores: B for train, C for eval."""
        return self.scores[split].of(self.counting(split))


def measure(
    model_uri: str, split_uris: Mapping[str, str], slice_features: Sequence[str], settings: GateSettings
) -> Measurement:
    """Measures an exported model.

    Args:
        model_uri: A Model artifact.
        split_uris: Split -> folder of its examples.
        slice_features: Raw features to slice by.
        settings: Limits on how much is scored.

    Raises:
        ValueError: The export or the examples are not what the trainer and ingest write.
    """
    # On a GPU, TF32 would round products to 10 bits, and two graphs of one model would not agree as float32 does.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    exported = ExportedModel(model_uri)
    limits = {features.TRAIN: settings.max_train_examples, features.EVAL: None}
    examples = {
        split: read_split(split_uris[split], exported.classes, slice_features, limits[split])
        for split in features.JUDGED
    }
    model = load_keras(f"{model_uri.rstrip('/')}/{KERAS_PATH}")
    parity = None if model is None else _parity(model, exported, examples[features.EVAL])
    rounding = parity.limit if parity and np.isfinite(parity.limit) else 0.0
    scores = {split: score_split(exported, part, rounding) for split, part in examples.items()}
    image_size = int(exported.facts.get("image_size", SIDE))
    return Measurement(
        classes=exported.classes,
        examples=examples,
        scores=scores,
        copies=seek_copies(
            [split_uris[split] for split in (features.TRAIN, features.STOP)],
            examples[features.EVAL],
            exported.classes,
            image_size,
        ),
        training_mode=None if model is None else _training_mode(model, exported, examples[features.TRAIN]),
        parity=parity,
        embeddings=exported.embeddings_of(examples[features.EVAL], _MAX_EMBEDDINGS),
    )


def score_split(exported: ExportedModel, examples: SplitExamples, rounding: float = 0.0) -> SplitScores:
    """Scores every example through `serving_default`; `rounding` is what `score` takes."""
    labels = examples.labels
    parts = []
    for start in range(0, len(labels), _BATCH_SIZE):
        positions = np.arange(start, min(start + _BATCH_SIZE, len(labels)))
        served = exported.serve(examples.encoded(positions))
        parts.append(score(labels[positions], served.probabilities, served.class_index, rounding))
    return joined(parts)


def compare_with_champion(version: str, champion_uri: str, measurement: Measurement) -> tuple[Champion | None, str]:
    """Scores the champion on the candidate's validation examples, classes matched by name.

    Args:
        version: The champion's version in the registry.
        champion_uri: Folder with its `Format-Serving`.
        measurement: The candidate's.

    Returns:
        The comparison; or None, and why the two cannot be compared.
    """
    champion = ExportedModel(champion_uri)
    if set(champion.classes) != set(measurement.classes):
        return None, (
            f"the champion (version {version}) knows other classes ({_some(champion.classes)}; "
            f"these images: {_some(measurement.classes)})"
        )
    examples, mine = measurement.examples[features.EVAL], measurement.counted(features.EVAL)
    position = {name: index for index, name in enumerate(champion.classes)}
    theirs_of_mine = np.array([position[name] for name in measurement.classes])
    relabelled = _with_labels(examples, theirs_of_mine)
    theirs = score_split(champion, relabelled).of(measurement.counting(features.EVAL))
    found = best_relabelling(theirs.labels, theirs.predicted, len(champion.classes))
    order = tuple(
        (name, champion.classes[label])
        for name, label in zip(champion.classes, found.mapping, strict=True)
        if name != champion.classes[label]
    )
    return Champion(version, PairedCounts.of(theirs.right, mine.right), found.counts, order), ""


def slice_evidence(measurement: Measurement) -> tuple[SliceEvidence, ...]:
    """Counts by slice, in the order of their names, for every slice that has a validation example."""
    train, validation = measurement.scores[features.TRAIN], measurement.scores[features.EVAL]
    in_training, in_validation = (
        _members(measurement.examples[split], measurement.counting(split)) for split in features.JUDGED
    )
    return tuple(
        SliceEvidence(
            name=name,
            training=_best_of_modes(measurement, in_training.get(name), train),
            validation=_counts(validation.right, members),
        )
        for name, members in sorted(in_validation.items())
    )


def _with_labels(examples: SplitExamples, mapping: np.ndarray) -> SplitExamples:
    rows = tuple(replace(row, label=int(mapping[row.label])) for row in examples.rows)
    return replace(examples, rows=rows)


def _training_mode(model: keras.Model, exported: ExportedModel, examples: SplitExamples) -> np.ndarray:
    def read_pixels(positions: np.ndarray) -> np.ndarray:
        return exported.pixels(examples.encoded(positions))

    facts = exported.facts
    return training_mode_predictions(model, read_pixels, len(examples.rows), facts["batch_size"], facts["seed"])


def _parity(model: keras.Model, exported: ExportedModel, examples: SplitExamples) -> Parity:
    served, expected, nudged = [], [], []
    total = min(_NUM_PARITY_EXAMPLES, len(examples.rows))
    for start in range(0, total, _BATCH_SIZE):
        images = examples.encoded(range(start, min(start + _BATCH_SIZE, total)))
        pixels = exported.pixels(images)
        expected.append(inference_probabilities(model, pixels))
        nudged.append(inference_probabilities(model, one_spacing_up(pixels)))
        served.append(exported.serve(images).probabilities)
    return compare(*map(np.concatenate, (served, expected, nudged)))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NUM_NAMED_CLASSES]) + (", ..." if len(names) > _NUM_NAMED_CLASSES else "")


def _members(examples: SplitExamples, counting: np.ndarray) -> dict[str, np.ndarray]:
    members: dict[str, list[int]] = {}
    for position in counting.tolist():
        for name in examples.rows[position].slices:
            members.setdefault(name, []).append(position)
    return {name: np.array(positions) for name, positions in members.items()}


def _best_of_modes(measurement: Measurement, members: np.ndarray | None, train: SplitScores) -> Counts | None:
    if members is None:
        return None
    known = [_counts(train.right, members)]
    if measurement.training_mode is not None:
        known.append(_counts(train.labels == measurement.training_mode, members))
    return max(known, key=lambda counts: counts.value)


def _counts(right: np.ndarray, members: np.ndarray) -> Counts:
    return Counts(int(right[members].sum()), len(members))
