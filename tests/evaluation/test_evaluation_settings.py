"""What evaluation may be told."""

import pytest

from components.evaluation.settings import EvaluationSettings


@pytest.mark.parametrize("key", ["label", "uri", "content_hash", "image_bytes", "sharpness", "mean_red"])
def test_slicing_by_what_has_a_value_of_its_own_for_every_image_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=f"slice_features must name text or whole numbers.*received '{key}'"):
        EvaluationSettings(slice_features=(key,))


def test_slicing_by_format_or_size_is_accepted() -> None:
    assert EvaluationSettings(slice_features=("format", "height")).slice_features == ("format", "height")
