"""Examines foreign files in a child process that can do little more than compute.

See docs/decisions/0025-confinement.md. Neither side of it imports TensorFlow before the files were looked at.
"""

from dataclasses import dataclass
from typing import Any, Final

from components.confinement.limits import Limits
from components.confinement.outside import printable, run_confined
from components.errors import DataRefused

_TARGET: Final = "components.doctor.confined:examined"
_EXIT_CODES: Final = (0, 3, 4)


@dataclass(frozen=True)
class Examined:
    """What the child reported, and how it was confined."""

    document: dict[str, Any]
    """`Report.document()`, and `confinement`."""
    verdict: dict[str, Any]
    """`Report.verdict()`."""
    text: str
    """The report for a person."""
    exit_code: int


def examine_confined(
    model_path: str,
    train: str,
    evaluation: str,
    image_size: int | None,
    family: str | None,
    batch_size: int,
    source_path: str | None,
    limits: Limits,
) -> Examined:
    """Examines a saved model on saved data, as `examine_files` does, in a confined child.

    Raises:
        DataRefused: Model or data cannot be used, take more than the limits, or make the child crash.
    """
    arguments = {
        "model_path": model_path,
        "train": train,
        "evaluation": evaluation,
        "image_size": image_size,
        "family": family,
        "batch_size": batch_size,
        "source_path": source_path,
    }
    confined = run_confined(_TARGET, arguments, limits, model_path, network=any(map(_is_remote, (train, evaluation))))
    said = confined.value
    kinds = {"document": dict, "verdict": dict, "text": str, "exit_code": int}
    if (
        not isinstance(said, dict)
        or any(not isinstance(said.get(name), kind) for name, kind in kinds.items())
        or said["exit_code"] not in _EXIT_CODES
    ):
        raise DataRefused(f"Examining {model_path} gave no report that can be read; it may be made to deceive.")
    return Examined(
        said["document"] | {"confinement": confined.had.document()},
        said["verdict"],
        f"{printable(said['text'])}\n{confined.had.sentence}",
        said["exit_code"],
    )


def examined(**arguments: Any) -> dict[str, Any]:
    """Examines files in this process, which should be a confined one.

    Args:
        arguments: Those of `examine_files`.

    Returns:
        The report as JSON: `document`, `verdict`, `text` and `exit_code`.
    """
    from components.doctor.files import examine_files

    report = examine_files(**arguments)

    from components.push_gate.exported import finite

    return {
        "document": finite(report.document()),
        "verdict": finite(report.verdict()),
        "text": str(report),
        "exit_code": report.exit_code,
    }


def _is_remote(uri: str) -> bool:
    # A chain of protocols may begin with a local one.
    return "://" in uri and (not uri.startswith(("file://", "local://")) or "::" in uri)
