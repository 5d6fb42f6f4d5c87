"""The node before the Pusher: an export that does not serve is not pushed."""

import json
from pathlib import Path
from typing import Final

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model
from tfx.utils import io_utils, path_utils

from components.artifacts import ServingReport
from components.blessing import vouch
from components.push_gate.fingerprint import fingerprint_if_any
from components.serving_check.check import check
from components.serving_check.reference import read_images
from components.serving_check.settings import ServingCheckSettings
from schemas import features

# The stock InfraValidator's file names.
_BLESSING_FILES: Final = {True: "INFRA_BLESSED", False: "INFRA_NOT_BLESSED"}


@component
def ServingCheck(
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    blessing: OutputArtifact[InfraBlessing],
    report: OutputArtifact[ServingReport],
    settings: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Loads the export in a fresh process and asks it good, odd and bad questions.

    A model that the gate refused is tried, too: somebody may answer for it later, and has to know that it serves.

    Args:
        model: The Trainer's export.
        examples: Its `eval` split gives the pictures.
        blessing: As the stock InfraValidator writes it: custom property `blessed`, 0 or 1, and an empty marker file.
            Its properties `model_fingerprint` and `document_sha256` say which model, and what was found.
        report: `serving.json`.
        settings: JSON of ServingCheckSettings.
        code_hash: Keys the cache by our code; not read.
    """
    limits = ServingCheckSettings.model_validate_json(settings)
    images = read_images(artifact_utils.get_split_uri([examples], features.EVAL), limits.num_examples)
    # First: what changes while it is tried is not what was tried.
    fingerprint = fingerprint_if_any(model.uri)
    saved_model = Path(path_utils.serving_model_path(model.uri))
    result = check(saved_model, Path(model.uri, "Format-Keras", "model.keras"), images, limits)
    written = f"{report.uri}/serving.json"
    io_utils.write_string_file(written, json.dumps(result, indent=1))
    vouch(blessing, fingerprint, written)
    io_utils.write_string_file(f"{blessing.uri}/{_BLESSING_FILES[result['passed']]}", "")
    blessing.set_int_custom_property("blessed", int(result["passed"]))
