"""Decides whether a registered model's weights fit the training that is about to start; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

GIVEN: Final = "given"
_NUM_NAMED: Final = 5
_FROM_SCRATCH: Final = "none"


@dataclass(frozen=True)
class Kind:
    """What decides whether a model's weights fit a training."""

    classes: tuple[str, ...]
    """Class names in the order of the outputs."""
    image_size: int
    """Side of the input, in pixels."""
    hidden_units: int
    """Width of the head's hidden layer; 0 for none."""
    backbone: str
    """The backbone's kind."""
    source_sha256: str
    """Hash of the weights that the backbone started from; empty: from scratch."""
    validation: str
    """The share of pictures that validate, drawn by content; `given` where the data were split; empty: not known."""

    @classmethod
    def of_export(cls, facts: Mapping[str, Any] | None, validation: str) -> Self | None:
        """Reads a model's kind from the facts beside its export.

        Args:
            facts: `frostgate.json`; None where there is none.
            validation: The registry's tag of how validation pictures were chosen.

        Returns:
            None where a fact is missing, as in an export that a user's own `run_fn` wrote.
        """
        known = facts or {}
        try:
            backbone = known["backbone"]
            return cls(
                classes=tuple(known["classes"]),
                image_size=int(known["image_size"]),
                hidden_units=int(known["head"]["hidden_units"]),
                backbone=str(backbone["kind"]),
                source_sha256=source_of(backbone),
                validation=validation,
            )
        except (KeyError, TypeError, ValueError):
            return None


def source_of(backbone: Mapping[str, Any]) -> str:
    """Returns the sha256 of the weights that `backbone.json` describes; empty for a training from scratch.

    Raises:
        ValueError: There are weights, but their hash is not known.
    """
    if backbone["weights"] == _FROM_SCRATCH:
        return ""
    if not backbone["sha256"]:
        raise ValueError("weights without a hash")
    return str(backbone["sha256"])


def objection(champion: Kind | None, wanted: Kind) -> str | None:
    """Says why a training cannot start from a model's weights.

    Args:
        champion: The registered model's kind; None where its export does not tell it.
        wanted: The kind of model that the training makes.

    Returns:
        The rest of a sentence that begins with `version N`; None where the weights fit.
    """
    if champion is None:
        return "does not say which classes, image size, backbone and head it has"
    if champion.classes != wanted.classes:
        is_order = sorted(champion.classes) == sorted(wanted.classes)
        difference = "has its classes in another order" if is_order else "knows other classes"
        return f"{difference} ({some(champion.classes)}; these images: {some(wanted.classes)})"
    if champion.image_size != wanted.image_size:
        return f"takes images of {champion.image_size} pixels, and transform.image_size is {wanted.image_size}"
    if champion.hidden_units != wanted.hidden_units:
        return (
            f"has {champion.hidden_units} hidden units in its head, and trainer.head.hidden_units is "
            f"{wanted.hidden_units}"
        )
    if champion.backbone != wanted.backbone:
        return f"has another backbone, {champion.backbone}, and this one is {wanted.backbone}"
    if champion.source_sha256 != wanted.source_sha256:
        return (
            f"began from other weights of the backbone ({_source(champion.source_sha256)}; "
            f"now {_source(wanted.source_sha256)})"
        )
    return _validation_objection(champion.validation, wanted.validation)


def some(names: Sequence[str]) -> str:
    """Lists the first five names for a sentence, with an ellipsis where there are more."""
    return ", ".join(names[:_NUM_NAMED]) + (", ..." if len(names) > _NUM_NAMED else "")


def _source(sha256: str) -> str:
    return f"sha256 {sha256[:12]}" if sha256 else "from scratch"


def _validation_objection(champion: str, wanted: str) -> str | None:
    """Objects where the champion may have learnt pictures that validate now: the gate would reward what it remembers.

    Validation pictures are drawn by content, so a smaller share is part of a larger one.
    """
    if champion == wanted == GIVEN:
        return None
    if GIVEN in (champion, wanted) or not champion or not wanted:
        return (
            f"was validated on images chosen otherwise ({champion or 'not known how'}; now {wanted}), so it may have "
            "learnt from some that validate now"
        )
    if float(champion) < float(wanted):
        return f"was validated on {champion} of the images and now it is {wanted}, so it learnt from some of them"
    return None
