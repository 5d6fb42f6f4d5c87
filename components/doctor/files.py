"""Reads a model and its data from files and examines them."""

from typing import TYPE_CHECKING

from components.doctor.arrays import check_split
from components.doctor.loading import check_model, load_checked
from components.doctor.source import check_source, read_source
from components.errors import DataRefused

if TYPE_CHECKING:
    import keras

    from components.doctor.report import Report


def examine_files(
    model_path: str,
    train: str,
    evaluation: str,
    image_size: int | None,
    family: str | None,
    batch_size: int,
    source_path: str | None = None,
) -> "Report":
    """Examines a saved model on saved data.

    Args:
        model_path: A `.keras` file or a SavedModel folder.
        train: An `.npz`, a class-per-folder tree or a glob of TFRecords.
        evaluation: The validation split, in one of the same forms.
        image_size: Side of the model's input, in pixels; None: what the model says, or the first picture's.
        family: How pictures are preprocessed, one of `FAMILIES`; None: guessed from the model's answers.
        batch_size: The training batch size.
        source_path: The backbone that the model was made from: a `.keras` file, or an `.h5` file of weights.

    Raises:
        DataRefused: Model or data cannot be used.
    """
    # The files are checked before TensorFlow is imported, which takes seconds.
    check_model(model_path)
    if source_path:
        check_source(source_path)
    for uri in (train, evaluation):
        check_split(uri)

    from components.doctor.data import read_split
    from components.doctor.examine import examine

    model = load_checked(model_path)
    source = read_source(source_path) if source_path else None
    size = (image_size, image_size) if image_size else _size_of(model)
    training = read_split(train, size, whole=True)
    if training.is_pictures:
        size = training.inputs.shape[1], training.inputs.shape[2]
    validation = read_split(evaluation, size, training.classes)
    if (family or image_size) and not (training.is_pictures or validation.is_pictures):
        raise DataRefused(
            f"--preprocess and --image-size are for pictures; {train} and {evaluation} hold arrays, which must be what "
            "the model takes."
        )
    if training.inputs.shape[1:] != validation.inputs.shape[1:]:
        raise DataRefused(
            f"Both splits must have inputs of one shape; {train} has {training.inputs.shape[1:]} and "
            f"{evaluation} {validation.inputs.shape[1:]}."
        )
    return examine(model, training, validation, batch_size, family, source)


def _size_of(model: "keras.Model") -> tuple[int, int] | None:
    shape = getattr(model, "input_shape", None)
    if isinstance(shape, tuple) and len(shape) == 4 and None not in shape[1:3]:
        return shape[1], shape[2]
    return None
