"""What the probes measure; values without behaviour. None always means: not measured."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.copies.counting import CopyCounts
from components.intervals import Counts, Interval, PairedCounts


@dataclass(frozen=True)
class Head:
    """What the model's last layer and its loss are, read from the model without running it."""

    kind: str
    """softmax, logits, sigmoid, binary_logit, multilabel_sigmoid or unknown."""
    units: int | None
    activation: str | None
    loss: str | None
    """None where the model is not compiled."""
    problems: tuple[str, ...]
    """One clause each; empty: nothing wrong to be seen."""


@dataclass(frozen=True)
class LayerDistance:
    """How far one BatchNorm layer's moving statistics are from those of the data."""

    name: str
    trainable: bool
    """Whether training moves the statistics."""
    momentum: float
    mean_distance: float
    """Mean over channels of |moving mean - mean| in standard deviations of the data."""
    log_variance_ratio: float
    """Mean over channels of |log(moving variance / variance)|."""


@dataclass(frozen=True)
class Alone:
    """Validation examples that were asked about one at a time, as a server is."""

    changed: Counts
    """Of how many the predicted class is another one than in their batch."""
    again: Counts
    """Of how many it is another one when the same batch is asked about once more."""
    right: PairedCounts
    """Right in their batch (first) and by themselves (second)."""


@dataclass(frozen=True)
class SourceComparison:
    """What became of the backbone that a model was made from."""

    num_source: int
    """Layers with weights in the source."""
    num_found: int
    """Of these, those that the model has, by name and shapes."""
    num_frozen: int
    """Of these, those that are frozen; the others may differ."""
    weights: tuple[str, ...]
    """Frozen layers whose weights are not the source's."""
    statistics: tuple[str, ...]
    """Frozen BatchNorm layers whose moving statistics are not the source's."""

    @property
    def changed(self) -> tuple[str, ...]:
        """Frozen layers that are not as in the source, each once."""
        return tuple(dict.fromkeys((*self.weights, *self.statistics)))

    @property
    def clause(self) -> str:
        """The finding for people."""
        return f"{len(self.changed)} of {self.num_frozen} frozen layers are not as in the source backbone"


@dataclass(frozen=True)
class Relabelling:
    """How many would be right if the classes were in another order."""

    counts: Counts
    """Cross-fitted: every example is judged by an order that was chosen without it."""
    mapping: tuple[int, ...]
    """Predicted class -> the label that it fits best, over all examples."""


@dataclass(frozen=True)
class LabelShift:
    """How the classes are distributed."""

    total_variation: float
    """Half the sum of absolute differences of the splits' class shares, 0..1."""
    p_value: float
    """Of a difference at least as large between two samples of one distribution."""
    top_share: float
    """Share of validation examples for which the favourite class is predicted."""
    top_class: int | None


@dataclass(frozen=True)
class ChannelStatistics:
    """One split's inputs by channel."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class InputShift:
    """How far the splits' inputs are apart."""

    train: ChannelStatistics
    validation: ChannelStatistics
    standardised_difference: float
    """Largest over channels of |difference of means| in training standard deviations."""
    log_deviation_ratio: float
    """Largest over channels of |log(validation deviation / training deviation)|."""


@dataclass(frozen=True)
class Converted:
    """A split rescored after its inputs were converted."""

    name: str
    counts: Counts
    is_named: bool
    """Whether the conversion is one between known families, not a match of moments."""


@dataclass(frozen=True)
class Duplicates:
    """Validation examples that training holds as well."""

    pairs: tuple[tuple[int, int], ...]
    """(validation position, training position), each validation position once."""
    num_validation: int
    counts: CopyCounts | None = None
    """What counts of validation without them; None: not looked at."""

    @property
    def share(self) -> float:
        """Of the validation examples, in [0, 1]; of those of distinct content where that is known."""
        if self.counts is not None:
            return self.counts.share
        return len(self.pairs) / self.num_validation if self.num_validation else 0.0


@dataclass(frozen=True)
class DomainShift:
    """How well a linear classifier on embeddings tells the splits apart."""

    auc: float
    interval: Interval
    """95 % at each end."""


@dataclass(frozen=True)
class Measurements:
    """Everything that is known about one model on two splits."""

    num_classes: int
    train: Counts
    """B: training examples in inference mode."""
    validation: Counts
    """C."""
    majority_train: float
    """Share of the most frequent class in the training split."""
    majority_validation: float
    """pi."""
    modes: PairedCounts | None = None
    """A (first) against B (second), example by example; None where the model has no training mode."""
    claimed: Counts | None = None
    """Training accuracy that the trainer saw; None where it left no history."""
    reconverted: tuple[Converted, ...] | None = None
    """Training examples rescored as other preprocessing families would have made them."""
    head: Head | None = None
    alone: Alone | None = None
    source: SourceComparison | None = None
    """None where no source was given."""
    has_batch_norm: bool | None = None
    num_updates: int | None = None
    """That the trainer made; None where it left no history."""
    initial_statistics: float | None = None
    """momentum ** updates, the largest of the trainable BatchNorm layers: what is left of where they started."""
    layers: tuple[LayerDistance, ...] | None = None
    reestimated_train: PairedCounts | None = None
    """Training examples with re-estimated statistics (first) against B (second)."""
    reestimated_validation: PairedCounts | None = None
    """The same on validation examples, against C."""
    forced_validation: Counts | None = None
    """C'."""
    label_shift: LabelShift | None = None
    relabelling: Relabelling | None = None
    input_shift: InputShift | None = None
    converted: tuple[Converted, ...] | None = None
    duplicates: Duplicates | None = None
    without_duplicates: Counts | None = None
    """C without the examples that training holds as well, and of several copies one; None where all count."""
    domain: DomainShift | None = None
    unexamined: Mapping[str, str] | None = None
    """Probe -> why it could not run."""
