"""Which cases there are, and how each must end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from components.cases import pictures

_SCRATCH: Final = ("backbone.weights=none", "trainer.from_scratch.epochs=7", "trainer.from_scratch.patience=7")
# Three images cannot show more than 44 % for sure.
_FEW: Final = ("gate.min_first_accuracy=0.4", "data.max_reject_fraction=0.5")


@dataclass(frozen=True)
class Variant:
    """A model as it was built, or as it should have been."""

    name: str
    what: str
    files: Callable[[], pictures.Files]
    """Draws the data, a path to each PNG file."""
    settings: tuple[str, ...]
    """`dotted.key=value` of the configuration."""
    decisions: tuple[str, ...]
    """The verdicts that are right."""
    causes: tuple[str, ...] = ()
    """The first cause named must be one of these; empty where none is asked for."""


@dataclass(frozen=True)
class Case:
    """What somebody did, what they saw, and what mends it."""

    id: str
    story: str
    variants: tuple[Variant, ...]
    real_data: str | None = None
    """The data set of the original report, for TensorFlow Datasets."""


def _naive(what: str, files: Callable[[], pictures.Files], run_fn: str, *causes: str) -> Variant:
    settings = (f"trainer.run_fn=components.cases.{run_fn}",)
    return Variant("naive", what, files, settings, ("BLOCK",), causes)


def _remedy(name: str, what: str, files: Callable[[], pictures.Files], *settings: str) -> Variant:
    return Variant(name, what, files, settings, ("PASS",))


FIVE: Final = (
    Case(
        "frozen-batch-stats",
        "CIFAR-10 on ImageNet's ResNet50, every layer frozen: training .66 to .74, validation .1000 throughout.",
        (
            _naive(
                "frozen BatchNorm normalises with the batch while training",
                pictures.painted_digits,
                "frozen_batch_stats.naive",
                "batch_norm_mode",
            ),
            _remedy(
                "remedied",
                "frozen BatchNorm in inference mode, the same head",
                pictures.painted_digits,
                "trainer.head.hidden_units=256",
                "trainer.head.dropout=0.4",
            ),
        ),
        "tfds:cifar10",
    ),
    Case(
        "learning-phase",
        "A frozen ResNet50 under a wide head with BatchNorm and L2: training climbs, validation is stuck about .75.",
        (
            _naive(
                "the backbone's BatchNorm uses the batch while training, and the head has its own",
                pictures.painted_digits,
                "learning_phase.naive",
                "batch_norm_mode",
                "statistics_not_converged",
            ),
            _remedy(
                "remedied",
                "the backbone in inference mode, no BatchNorm in the head",
                pictures.painted_digits,
                "trainer.head.hidden_units=1024",
            ),
        ),
    ),
    Case(
        "few-updates",
        "UC Merced, 21 classes, from scratch on raw pixels in batches of 96: training .26 to .72, validation 1/21.",
        (
            _naive(
                "a hundred updates at momentum 0.99, on raw pixels",
                pictures.patterns,
                "few_updates.naive",
                "statistics_not_converged",
            ),
            _remedy(
                "small-batches",
                "scaled pixels and batches of 16: six times the updates",
                pictures.patterns,
                *_SCRATCH,
                "trainer.from_scratch.batch_size=16",
                "trainer.from_scratch.momentum=0.99",
            ),
            _remedy(
                "momentum",
                "scaled pixels and momentum 0.9",
                pictures.patterns,
                *_SCRATCH,
                "trainer.from_scratch.batch_size=96",
                "trainer.from_scratch.momentum=0.9",
            ),
            _remedy(
                "reestimated",
                "the naive training, and then the statistics re-estimated",
                pictures.patterns,
                "backbone.weights=none",
                "trainer.run_fn=components.cases.few_updates.repaired",
            ),
        ),
        "tfds:uc_merced",
    ),
    Case(
        "three-images",
        "ResNet50 on three images, five epochs: accuracy 1.0 while training, .33 on the same images when asked again.",
        (
            Variant(
                "naive",
                "five updates leave 95 % of the statistics that a network starts with",
                pictures.three_images,
                ("backbone.weights=none", *_FEW, "trainer.run_fn=components.cases.three_images.naive"),
                ("BLOCK", "HOLD"),
            ),
            Variant(
                "reestimated",
                "the statistics re-estimated: all three are right, and three are too few to push",
                pictures.three_images,
                ("backbone.weights=none", *_FEW, "trainer.run_fn=components.cases.three_images.repaired"),
                ("HOLD",),
            ),
            Variant(
                "low-momentum",
                "momentum 0.01: all three are right, and three are too few to push",
                pictures.three_images,
                ("backbone.weights=none", *_FEW, "trainer.run_fn=components.cases.three_images.low_momentum"),
                ("HOLD",),
            ),
        ),
    ),
    Case(
        "far-domain",
        "8,000 balanced binary photographs on a frozen ResNet50: training .47 to .71, validation flips .53 and .46.",
        (
            _naive(
                "several mistakes at once: BatchNorm's mode, another scaling, the loss, random draws",
                pictures.photographs,
                "far_domain.naive",
                "batch_norm_mode",
            ),
            _remedy(
                "remedied",
                "pixels scaled in the Transform graph, cross-entropy, a head on frozen features, then fine-tuning",
                pictures.photographs,
                "trainer.fine_tune.blocks=1",
                "trainer.fine_tune.epochs=2",
            ),
        ),
    ),
)
CASES: Final[tuple[Case, ...]] = FIVE
