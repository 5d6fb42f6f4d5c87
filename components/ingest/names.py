"""Which names of classes and files are accepted, and how the others are shown."""

import re
from typing import Final

from components.errors import DataRefused

MAX_NAME_BYTES: Final = 255
_MESSAGE_LENGTH: Final = 200
_NODE_NAMES: Final = re.compile(r"\{\{.*?\}\}|\[Op:.*|\[\[.*")
_SPLIT_NAMES: Final = {"train": "train", "eval": "eval", "val": "eval", "validation": "eval"}


def split_of(name: str) -> str | None:
    """The side that a folder's name or a manifest's cell means: "train", "eval", or None."""
    return _SPLIT_NAMES.get(name.strip().lower())


def escaped(text: str) -> str:
    r"""Makes any text safe to print and to store: control characters and undecodable bytes become `\x..`.

    Args:
        text: Any text; undecodable bytes as surrogates, as the file system gives them.

    Returns:
        Printable, valid UTF-8.
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def op_message(message: str) -> str:
    """Takes what an operation complained of out of TensorFlow's message: one printable line without names of nodes."""
    # A compiled graph's message puts a trace, with this machine's paths, before the complaint.
    lines = [_NODE_NAMES.sub("", line).strip() for line in message.splitlines()]
    complaint = next((line for line in reversed(lines) if line), "it could not be decoded")
    return escaped(complaint[:_MESSAGE_LENGTH])


def label_fault(label: str) -> str | None:
    """Says why a class name is not accepted, or None when it is.

    Class names end up in files, metric names and pages, so that what could be a path or a control sequence is refused.
    """
    if not label:
        return "it is empty"
    if not label.isprintable():
        return "it holds control or undecodable characters"
    if label in {".", ".."} or "/" in label or "\\" in label:
        return "it could be a path"
    if len(label.encode()) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes"
    return None


def uri_fault(uri: str) -> str | None:
    """Says why an image's address is not accepted, or None when it is."""
    return None if uri.isprintable() else "its name holds control or undecodable characters"


def checked_classes(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the class list as given.

    Raises:
        DataRefused: A name is not accepted or appears twice, or there are fewer than two.
    """
    for name in classes:
        if fault := label_fault(name):
            raise DataRefused(f"The class {escaped(name)!r} cannot be used because {fault}; rename it.")
    if repeated := sorted({name for name in classes if classes.count(name) > 1}):
        raise DataRefused(f"data.classes must name each class once; received {repeated[0]!r} more than once.")
    if len(classes) < 2:
        raise DataRefused(
            f"A classifier needs at least two classes; found {len(classes)}"
            f"{f' ({classes[0]!r})' if classes else ''}. Add labelled images of another class."
        )
    return classes
