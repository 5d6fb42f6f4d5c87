"""What evaluation may be told."""

from components.settings import Settings


class EvaluationSettings(Settings):
    """How metrics are sliced."""

    slice_features: tuple[str, ...] = ()
    """Further raw features to slice by, beside the label; for instance `format`."""
