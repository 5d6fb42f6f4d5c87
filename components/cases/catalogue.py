"""The cases, and how each of them must end."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from components.cases import pictures

_EFFICIENT: Final = "backbone.kind=efficientnet_v2_b0"
# Of three images none can be kept apart.
_ALL_TRAIN: Final = "data.stop_fraction=0"
_SCRATCH: Final = ("backbone.weights=none", "trainer.from_scratch.epochs=7", "trainer.from_scratch.patience=7")


@dataclass(frozen=True)
class Variant:
    """A model as it was built, or as it should have been."""

    name: str
    what: str
    """What was done, for people."""
    files: Callable[[], pictures.Files]
    """Draws the pictures; returns path -> PNG file."""
    settings: tuple[str, ...]
    """`dotted.key=value` of the configuration."""
    decisions: tuple[str, ...]
    """The verdicts that are right."""
    causes: tuple[str, ...] = ()
    """The first cause that is named must be one of these; empty: any or none is right."""
    pipeline: str = ""
    """The pipeline's name; variants that share it run their equal steps once. Empty: a pipeline of its own."""


@dataclass(frozen=True)
class Case:
    """What somebody did, what they saw, and what mends it."""

    id: str
    story: str
    variants: tuple[Variant, ...]
    of_cifar10: bool = False
    """Whether CIFAR-10 itself may take the place of the drawn pictures."""


def _naive(what: str, files: Callable[[], pictures.Files], run_fn: str, *causes: str) -> Variant:
    return Variant("naive", what, files, _naive_settings(run_fn), ("BLOCK",), causes)


def _naive_settings(run_fn: str) -> tuple[str, ...]:
    return (f"trainer.run_fn=components.cases.{run_fn}",)


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
        of_cifar10=True,
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
        of_cifar10=True,
    ),
    Case(
        "few-updates",
        "UC Merced, 21 classes, from scratch on raw pixels in batches of 96: training .26 to .72, validation 1/21.",
        (
            Variant(
                "naive",
                "77 updates at momentum 0.99, on raw pixels",
                pictures.patterns,
                ("backbone.weights=none", *_naive_settings("few_updates.naive")),
                ("BLOCK",),
                ("statistics_not_converged",),
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
            Variant(
                "reestimated",
                "the naive model, its statistics re-estimated",
                pictures.patterns,
                ("backbone.weights=none", *_naive_settings("few_updates.naive"), "repair=batch_norm"),
                ("PASS",),
                pipeline="few-updates-naive",
            ),
        ),
    ),
    Case(
        "three-images",
        "ResNet50 on three images, five epochs: accuracy 1.0 while training, .33 on the same images when asked again.",
        (
            Variant(
                "naive",
                "five updates leave 95 % of the moving statistics of the source task",
                pictures.three_images,
                (_ALL_TRAIN, *_naive_settings("three_images.naive")),
                ("BLOCK", "HOLD"),
                ("statistics_not_converged",),
            ),
            Variant(
                "reestimated",
                "the statistics re-estimated: all three are right, and three are too few to push",
                pictures.three_images,
                (_ALL_TRAIN, *_naive_settings("three_images.naive"), "repair=batch_norm"),
                ("HOLD",),
                pipeline="three-images-naive",
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
# These are the remedies of several cases; each runs once, because the cases share its pipeline.
_PLAIN: Final = Variant(
    "remedied",
    "pixels as the Transform graph gives them",
    pictures.plain_digits,
    (),
    ("PASS",),
    pipeline="plain-digits",
)
_PAINTED: Final = Variant(
    "remedied", "all pictures, split by content", pictures.painted_digits, (), ("PASS",), pipeline="painted-digits"
)

OTHERS: Final = (
    Case(
        "guide-recipe",
        "Keras' fine-tuning recipe on Keras 3: call the backbone with training=False, unfreeze it, compile again.",
        (
            _naive(
                "unfreezing runs BatchNorm on batch statistics",
                pictures.plain_digits,
                "guide_recipe.naive",
                "statistics_not_converged",
                "batch_norm_mode",
            ),
            _remedy(
                "remedied",
                "the same, with every BatchNorm layer frozen by itself",
                pictures.plain_digits,
                "trainer.fine_tune.blocks=1",
                "trainer.fine_tune.epochs=2",
            ),
        ),
    ),
    Case(
        "wrong-family",
        "The training script scales pixels as another family wants them; serving does not.",
        (
            Variant(
                "naive",
                "trained on RGB 0..255, served with the Transform graph's pixels",
                pictures.plain_digits,
                _naive_settings("own_scaling.naive"),
                # About half of the answers are right, and the gate asks for half: 297 images are too few to decide.
                ("BLOCK", "HOLD"),
                ("training_serving_skew",),
            ),
            _PLAIN,
        ),
    ),
    Case(
        "scaled-twice",
        "CIFAR-10 divided by 255 before an EfficientNet, which scales by itself: training climbs, validation is .1.",
        (
            Variant(
                "naive",
                "every layer trained for three epochs on pixels that are scaled twice",
                pictures.plain_digits,
                (_EFFICIENT, *_naive_settings("scaled_twice.naive")),
                ("BLOCK",),
                ("statistics_not_converged",),
            ),
            _remedy("remedied", "scaled once, in the Transform graph", pictures.plain_digits, _EFFICIENT),
        ),
    ),
    Case(
        "validation-scaling",
        "Validation pictures were saved as 0..16 and training pictures as 0..255.",
        (
            Variant(
                "naive", "nobody noticed", pictures.unscaled_in_validation, (), ("BLOCK",), ("preprocessing_skew",)
            ),
            replace(_PLAIN, what="one scaling for all pictures"),
        ),
    ),
    Case(
        "label-order",
        "The validation folders were numbered from another class on.",
        (
            Variant("naive", "nobody noticed", pictures.renamed_in_validation, (), ("BLOCK",), ("label_order",)),
            replace(_PLAIN, what="one order of the classes"),
        ),
    ),
    Case(
        "duplicates",
        "Most validation pictures are training pictures, saved again.",
        (
            Variant(
                "naive",
                "thirty training pictures, and validation looks fair",
                pictures.few_painted_with_copies,
                (),
                ("BLOCK", "HOLD"),
                ("duplicates",),
            ),
            _PAINTED,
        ),
    ),
    Case(
        "constant",
        "Uneven classes, and a hidden layer that dies: the frequent class is the answer to everything.",
        (
            _naive("a learning rate of 1", pictures.eights, "dead_units.naive", "class_collapse", "not_learnt"),
            _remedy(
                "remedied",
                "a learning rate of 0.001 and class weights",
                pictures.eights,
                "trainer.class_weights=balanced",
            ),
        ),
    ),
    Case(
        "shifted-domain",
        "Trained in white on black, validated in colours.",
        (
            Variant(
                "naive",
                "validation comes from elsewhere",
                pictures.painted_in_validation,
                (),
                ("BLOCK",),
                ("distribution_shift", "preprocessing_skew"),
            ),
            replace(_PAINTED, what="both splits from where the model will serve"),
        ),
    ),
    Case(
        "overfitting",
        "Thirty pictures are learnt by heart.",
        (
            Variant(
                "naive",
                "sixty passes over thirty pictures",
                pictures.few_painted,
                (),
                ("BLOCK", "HOLD"),
                ("overfitting",),
            ),
            replace(_PAINTED, what="more pictures"),
        ),
    ),
    Case(
        "healthy",
        "Nothing is wrong.",
        (
            replace(_PLAIN, name="frozen", what="a head on the frozen backbone"),
            _remedy(
                "fine-tuned",
                "its last block trained as well",
                pictures.plain_digits,
                "trainer.fine_tune.blocks=1",
                "trainer.fine_tune.epochs=2",
            ),
        ),
    ),
)
CASES: Final[tuple[Case, ...]] = (*FIVE, *OTHERS)
