"""What the rule needs to know about a model; values without behaviour. None always means: not known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.copies.counting import CopyCounts
from components.intervals import Counts, Interval, PairedCounts
from components.parity import Parity


@dataclass(frozen=True)
class FreezeProof:
    """What the trainer proved about the weights that must not change."""

    passed: bool
    findings: tuple[str, ...]
    expected_trainable_weights: int
    trainable_weights: int
    frozen_before: str
    frozen_after: str


@dataclass(frozen=True)
class DataDecision:
    """Whether the data gate let the data pass, and why not."""

    passed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SplitMeasurement:
    """One split scored in inference mode, through the serving path."""

    counts: Counts
    """Of what counts: each content once, and of validation nothing that training holds."""
    num_examples: int
    """Examples in the split; more than were scored when the split is larger than `max_train_examples`."""
    num_ingested: int | None
    """Examples that ingest says it wrote."""
    num_undecided: int
    """Scored examples without a clear top class: a tie within rounding, or a probability that is not finite."""
    slices: frozenset[str]
    """Every slice that has a scored example, as `feature=value`."""
    all_counts: Counts | None = None
    """Of every scored example, to hold against TFMA's; None: as `counts`."""

    @property
    def scored(self) -> Counts:
        """Every scored example, copies included."""
        return self.counts if self.all_counts is None else self.all_counts


@dataclass(frozen=True)
class SplitEvaluation:
    """What TFMA said of the same split."""

    accuracy: float | None
    num_examples: int
    slices: frozenset[str]


@dataclass(frozen=True)
class SliceEvidence:
    """One slice's counts: A or B, whichever is higher, on training examples (None without any), and C."""

    name: str
    training: Counts | None
    validation: Counts


@dataclass(frozen=True)
class Champion:
    """The registry's champion (first) and the candidate (second) on the same validation examples."""

    version: str
    pairs: PairedCounts
    reordered: Counts | None = None
    """What the champion would get right if the classes were in another order, cross-fitted; None: not looked at."""
    order: tuple[tuple[str, str], ...] = ()
    """That order, where it differs: the champion's name of a class, and the name that these images give it."""


@dataclass(frozen=True)
class Evidence:
    """Everything the rule looks at. The default of every field is the absence of evidence."""

    failure: str | None = None
    """Why the measurement broke off."""
    data_decision: DataDecision | None = None
    freeze_proof: FreezeProof | None = None
    train: SplitMeasurement | None = None
    """B."""
    validation: SplitMeasurement | None = None
    """C."""
    modes: PairedCounts | Counts | None = None
    """A against B, example by example; or A by itself, from the trainer's history."""
    tfma: Mapping[str, SplitEvaluation] = field(default_factory=dict)
    nonfinite: tuple[str, ...] = ()
    """Names of what was not a finite number."""
    parity: Parity | None = None
    """Served probabilities against the training graph's."""
    copies: CopyCounts | None = None
    """What of the validation split is copies; None: nobody looked."""
    num_compared: int | None = None
    """Images that training saw, those that said when to stop included, among which copies were sought."""
    num_written: int | None = None
    """How many of them ingest says it wrote."""
    source_note: str = ""
    """How a frozen backbone differs from its source; empty where it does not, or where no source is known."""
    changed_alone: Counts | None = None
    """Validation examples that get another answer by themselves than in a batch."""
    guessing: PairedCounts | None = None
    """C (first) against always guessing the most frequent class of the same examples (second), example by example."""
    top_share: float | None = None
    """Share of validation examples for which the favourite class is predicted; of the same examples as C."""
    top_class: str | None = None
    slices: tuple[SliceEvidence, ...] = ()
    champion: Champion | None = None
    ancestor: Champion | None = None
    """The best of the champions before it that can still be compared; None where none was better than the champion."""
    champion_note: str = ""
    """Why a champion that exists could not be compared; empty otherwise."""

    @property
    def training_mode(self) -> Counts | None:
        """A by itself."""
        return self.modes.first if isinstance(self.modes, PairedCounts) else self.modes

    @property
    def majority_share(self) -> float | None:
        """pi: share of the most frequent class among the validation examples that C is counted on."""
        return None if self.guessing is None else self.guessing.second.value

    @property
    def best_training(self) -> Counts | None:
        """Whichever of A and B is higher; None when B is missing."""
        if self.train is None:
            return None
        known = [counts for counts in (self.training_mode, self.train.counts) if counts is not None]
        return max(known, key=lambda counts: counts.value)


@dataclass(frozen=True)
class Check:
    """One question of the rule and its answer."""

    code: str
    name: str
    fired: bool
    statistic: str
    detail: str
    """A clause with the numbers, readable after `Blocked (G1 mode gap): `."""
    value: float | None = None
    interval: Interval | None = None
    threshold: float | None = None


def percent(share: float) -> str:
    """A share for people, for instance `76.0 %`."""
    return f"{100 * share:.1f} %"
