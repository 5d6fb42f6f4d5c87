"""frostgate's public face; importing it imports neither TensorFlow nor TFX.

report = frostgate.diagnose(model, (x_train, y_train), (x_val, y_val))
print(report)

model.fit(x_train, y_train, callbacks=[frostgate.FrostgateCallback((x_train, y_train))])
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np

    from components.doctor.callback import FrostgateCallback
    from components.doctor.report import Report

__all__ = ["FrostgateCallback", "diagnose"]


def diagnose(
    model: "keras.Model",
    train: "tuple[np.ndarray, np.ndarray]",
    validation: "tuple[np.ndarray, np.ndarray]",
    batch_size: int = 32,
    source_backbone: "keras.Model | None" = None,
) -> "Report":
    """Judges a Keras classifier by the gate's rule, and says what is wrong with it.

    Args:
        model: Any Keras 3 classifier: softmax, logits or a binary sigmoid; it is left as it was.
        train: Inputs [n, ...] as the model takes them, and class indices [n] or one-hot labels [n, classes].
        validation: The same, of examples that the model was not trained on.
        batch_size: The training batch size; batch statistics depend on it.
        source_backbone: What the model was made from, in the state before training: is what is frozen as it was?

    Returns:
        The report: `str(report)` for people, `report.document()` for machines, `report.exit_code` for schedulers.

    Raises:
        ValueError: Model and data do not fit each other.
    """
    from components.diagnosis.source import weights_by_layer
    from components.doctor.data import split_of
    from components.doctor.examine import examine

    source = None if source_backbone is None else weights_by_layer(source_backbone)
    splits = split_of(train, "train"), split_of(validation, "validation")
    return examine(model, *splits, batch_size, source=source)


def __getattr__(name: str) -> Any:
    # A class of Keras cannot be defined without importing it.
    if name == "FrostgateCallback":
        from components.doctor.callback import FrostgateCallback

        return FrostgateCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
