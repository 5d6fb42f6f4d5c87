"""A served version's folder, asked in this process."""

from collections.abc import Sequence
from pathlib import Path

from components.errors import DataRefused, first_line
from components.foreign import saved_models
from components.foreign.files import Unreadable
from components.ingest.names import escaped, op_message
from components.predict.asking import Answer, Ask, Refused


def load(version_dir: Path) -> Ask:
    """Loads a SavedModel as TensorFlow Serving would.

    Args:
        version_dir: Holds `saved_model.pb`.

    Raises:
        DataRefused: There is none, it does more than compute, or it does not take encoded pictures.
    """
    if not (version_dir / "saved_model.pb").is_file():
        raise DataRefused(f"{version_dir} must be a served version's folder; it holds no saved_model.pb.")
    try:
        saved_models.read(version_dir)
    except Unreadable as error:
        raise DataRefused(
            f"{version_dir} must be a served version's folder; it {escaped(str(error))}. Push it with frostgate."
        ) from None
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(version_dir))
    # A damaged model can raise anything.
    except Exception as error:
        raise DataRefused(
            f"{version_dir} must be a served version's folder; it cannot be loaded ({first_line(error)}). Name another."
        ) from error
    serve = loaded.signatures.get("serving_default")
    if serve is None or set(serve.structured_input_signature[1]) != {"image_bytes"}:
        raise DataRefused(
            f"{version_dir} must take encoded pictures as image_bytes; it does not. Push it with frostgate."
        )

    def ask(images: Sequence[bytes], _held: object = loaded) -> list[Answer]:
        try:
            answer = serve(image_bytes=tf.constant(list(images), tf.string))
        except tf.errors.OpError as error:
            raise Refused(op_message(error.message)) from error
        names = [name.decode("utf-8", "replace") for name in answer["class_name"].numpy()]
        return [
            Answer(name, tuple(row)) for name, row in zip(names, answer["probabilities"].numpy().tolist(), strict=True)
        ]

    return ask
