"""Whether the champion that an earlier run was given is still the registry's."""

from pathlib import Path
from typing import Final

from components.foreign import json_text
from components.push_gate.fingerprint import fingerprint_if_any
from components.registry.protocol import SAVED_MODEL

# The artifact's type; to import it for its name alone would take seconds, for TFX comes with it.
BASELINE: Final = "frostgate.Baseline"


def may_stand_for(folder: Path, version: str, fingerprint: str) -> bool:
    """Whether a Baseline's folder may be taken for a version; true of one that is another version's.

    Args:
        folder: With `baseline.json`.
        version: In question.
        fingerprint: Of it in the registry; empty where the registry does not know.
    """
    try:
        document = json_text.read(folder / "baseline.json")
        found, told = document["version"], document["fingerprint"] or ""
    except (OSError, ValueError, LookupError):
        return False
    if found != version:
        return True
    if "" not in (told, fingerprint) and told != fingerprint:
        return False
    return not told or fingerprint_if_any(str(folder / SAVED_MODEL)) == told
