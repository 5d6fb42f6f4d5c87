"""Re-estimation is for trainable BatchNorm that never converged, and for nothing else."""

import pytest

from components.repair.batch_norm import is_called_for


def verdict(decision: str, *causes: str) -> dict:
    return {"decision": decision, "diagnosis": {"causes": [{"id": cause} for cause in causes]}}


@pytest.mark.parametrize("decision", ["BLOCK", "HOLD"])
def test_a_refused_model_whose_statistics_never_converged_is_mended(decision):
    assert is_called_for(verdict(decision, "duplicates", "statistics_not_converged"))


@pytest.mark.parametrize(
    "document",
    [
        verdict("PASS", "statistics_not_converged"),
        # Frozen BatchNorm has the statistics that its weights were trained with.
        verdict("BLOCK", "batch_norm_mode"),
        verdict("BLOCK"),
        {"decision": "BLOCK", "diagnosis": None},
    ],
)
def test_any_other_model_is_left_as_it_is(document):
    assert not is_called_for(document)
