"""What evaluation may be told."""

from typing import Final, Self

from pydantic import model_validator

from components.settings import Settings
from schemas import features

# One slice an image, or a slice by a measured number, tells nothing; slices by label are always made.
_NOT_TO_SLICE_BY: Final = frozenset(
    {
        features.IMAGE_BYTES,
        features.LABEL,
        features.URI,
        features.CONTENT_HASH,
        features.SHARPNESS,
        *features.CHANNEL_MEANS,
        *features.CHANNEL_STDS,
    }
)


class EvaluationSettings(Settings):
    """How metrics are sliced."""

    slice_features: tuple[str, ...] = ()
    """Further raw features to slice by, beside the label; text or whole numbers, for instance `format`."""

    @model_validator(mode="after")
    def _can_be_sliced_by(self) -> Self:
        for key in self.slice_features:
            if key in _NOT_TO_SLICE_BY:
                raise ValueError(
                    "evaluation.slice_features must name text or whole numbers with few values, beside the label; "
                    f"received {key!r}. Leave it out."
                )
        return self
