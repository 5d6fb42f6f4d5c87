"""Whether a registered model's weights fit the training that is about to start; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

GIVEN: Final = "given"
_NUM_NAMED: Final = 5
_FROM_SCRATCH: Final = "none"


@dataclass(frozen=True)
class Kind:
    """What a model's weights depend on, beside the pictures themselves."""

    classes: tuple[str, ...]
    """In the order of the outputs."""
    image_size: int
    hidden_units: int
    """Of the head; 0 for none."""
    backbone: str
    """Its kind."""
    source_sha256: str
    """Of the weights that the backbone started from; empty: from scratch."""
    validation: str
    """Share of the pictures that validate, drawn by content; `given` by the data; empty: not known."""

    @classmethod
    def of_export(cls, facts: Mapping[str, Any] | None, validation: str) -> Self | None:
        """Reads it from the facts beside an export.

        Args:
            facts: `frostgate.json`; None where there is none.
            validation: As the registry has it.

        Returns:
            None for an export that does not say all of it, as a `run_fn` of one's own may write.
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
        ValueError: There are weights, and nobody says which.
    """
    if backbone["weights"] == _FROM_SCRATCH:
        return ""
    if not backbone["sha256"]:
        raise ValueError("weights without a hash")
    return str(backbone["sha256"])


def objection(champion: Kind | None, wanted: Kind) -> str | None:
    """Says why a training cannot start from a model's weights.

    Args:
        champion: The model; None for one that does not say what it is.
        wanted: The training.

    Returns:
        What the model does or is, to go behind its number; None where its weights fit.
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
    return _of_validation(champion.validation, wanted.validation)


def some(names: Sequence[str]) -> str:
    """The first few names, for a sentence."""
    return ", ".join(names[:_NUM_NAMED]) + (", ..." if len(names) > _NUM_NAMED else "")


def _source(sha256: str) -> str:
    return f"sha256 {sha256[:12]}" if sha256 else "from scratch"


def _of_validation(champion: str, wanted: str) -> str | None:
    """A picture that validates now must not have trained the champion: the gate would praise what was learnt by heart.

    Drawn by content, a smaller share is part of a larger one.
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
