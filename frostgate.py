"""frostgate's public face; importing it imports neither TensorFlow nor TFX.

report = frostgate.diagnose(model, (x_train, y_train), (x_val, y_val))
print(report)

model.fit(x_train, y_train, callbacks=[frostgate.FrostgateCallback((x_train, y_train))])

with frostgate.serving_log("requests", rate=0.1) as log:
    log.record(picture_bytes, class_name, probability)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np

    from components.doctor.callback import FrostgateCallback
    from components.doctor.report import Report
    from components.serving_log.writer import ServingLog

__all__ = ["FrostgateCallback", "diagnose", "serving_log"]


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


def serving_log(uri: str, rate: float = 1.0, pictures: bool = False, model: str | None = None) -> "ServingLog":
    """Opens a log of requests for `frostgate monitor`, to be written beside a model server.

    Args:
        uri: Folder, local, gs:// or s3://, that receives a folder a day.
        rate: Share of requests that is kept, in (0, 1], drawn at random.
        pictures: Whether the pictures are kept, too; without them nothing of what they show is.
        model: Folder of the SavedModel that answers, so that its requests are told from another's; None: not known.

    Returns:
        `log.record(encoded_picture, class_name, probability)` keeps a request, and never raises for what a disk does;
        `log.close()` brings the last ones to the folder.

    Raises:
        ValueError: A value is impossible, or `model` is no SavedModel's folder.
    """
    from components.push_gate.fingerprint import weights_fingerprint
    from components.serving_log.settings import ServingLogSettings
    from components.serving_log.writer import ServingLog

    settings = ServingLogSettings(uri=uri, rate=rate, pictures=pictures)
    weights = weights_fingerprint(model) if model else ""
    if weights is None:
        raise ValueError(f"model must be a SavedModel's folder, with variables in it; received {model}.")
    return ServingLog(settings, weights)


def __getattr__(name: str) -> Any:
    # A class of Keras cannot be defined without importing it.
    if name == "FrostgateCallback":
        from components.doctor.callback import FrostgateCallback

        return FrostgateCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
