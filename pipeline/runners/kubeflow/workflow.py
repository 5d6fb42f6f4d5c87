"""What became of a run's steps, as its Argo workflow says.

The API tells of a run's tasks only as long as the workflow is small: above 1 MiB Argo compresses its nodes, and the
list stays as it was before. The workflow itself is kept whole, with the run's last state.
"""

import base64
from collections.abc import Collection, Iterable
from typing import Any, Final

from components.foreign import files, json_text

# What Argo calls a node's phase -> the API's word; what a run never came to has none.
_STATES: Final[dict[str | None, str]] = {
    "Pending": "PENDING",
    "Running": "RUNNING",
    "Succeeded": "SUCCEEDED",
    "Skipped": "SKIPPED",
    "Omitted": "OMITTED",
    "Failed": "FAILED",
    "Error": "FAILED",
}
_DRIVER: Final = "-driver"
_MOST_BYTES: Final = 64 * 2**20


def states_of(manifest: str, names: Collection[str]) -> dict[str, str]:
    """Reads the states of steps from a workflow.

    Args:
        manifest: JSON of an Argo workflow, its nodes compressed or not.
        names: The steps'.

    Returns:
        Step -> state, in the API's words, of steps that have a node.

    Raises:
        ValueError: It is no workflow whose nodes can be read.
    """
    try:
        status = json_text.parse(manifest)["status"]
        nodes = status.get("nodes") or _unpacked(status.get("compressedNodes") or "")
        return by_step([(node["displayName"], _STATES.get(node.get("phase"))) for node in nodes.values()], names)
    except (AttributeError, EOFError, KeyError, OSError, TypeError, ValueError) as error:
        raise ValueError(f"expected a workflow with its nodes; it cannot be read ({error})") from error


def by_step(found: Iterable[tuple[str | None, str | None]], names: Collection[str]) -> dict[str, str]:
    """Finds the steps among what the backend makes of a pipeline: drivers, attempts and pods have names of their own.

    Args:
        found: Name and state of each; a state of None says nothing.
        names: The steps'.

    Returns:
        Step -> state; a step whose driver failed has failed.
    """
    states = [(name, state) for name, state in found if name and state]
    own = {name: state for name, state in states if name in names}
    failed = {name.removesuffix(_DRIVER) for name, state in states if name.endswith(_DRIVER) and state == "FAILED"}
    return own | dict.fromkeys(sorted(failed.intersection(names)), "FAILED")


def _unpacked(text: str) -> dict[str, Any]:
    return json_text.parse(files.unpacked(base64.b64decode(text), _MOST_BYTES)) if text else {}
