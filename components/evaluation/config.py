"""What the stock Evaluator computes, and through which signatures of the export."""

from typing import Final

import tensorflow_model_analysis as tfma

from components.evaluation.settings import EvaluationSettings
from schemas import features

ACCURACY: Final = "sparse_categorical_accuracy"
EXAMPLE_COUNT: Final = "example_count"

# No CalibrationPlot: it raises on a NaN prediction, and the run would end without a verdict on the model that needs one
# most. The gate measures calibration itself.
_METRICS: Final = (
    "ExampleCount",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "MultiClassConfusionMatrixPlot",
)


def eval_config(settings: EvaluationSettings) -> tfma.EvalConfig:
    """Configures the stock Evaluator for raw examples; the same for the train and the eval node.

    A Keras 3 export is a plain SavedModel to TFMA: predictions come from the signature `evaluate`, and labels, which
    are strings in the raw examples, from the signature `transform_labels`. There are no thresholds: the gate decides.

    Args:
        settings: Features to slice by.
    """
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                # Or TFMA finds out by loading the whole export as a Keras 2 model.
                model_type=tfma.TF_GENERIC,
                signature_name="evaluate",
                prediction_key="probabilities",
                label_key=features.LABEL_INDEX,
                preprocessing_function_names=["transform_labels"],
            )
        ],
        metrics_specs=[tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name=name) for name in _METRICS])],
        slicing_specs=[
            tfma.SlicingSpec(),
            *(tfma.SlicingSpec(feature_keys=[key]) for key in (features.LABEL, *settings.slice_features)),
        ],
    )
