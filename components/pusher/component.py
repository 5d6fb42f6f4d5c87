"""The node that publishes a blessed model; everything else leaves the destination alone."""

import json
import logging
from pathlib import Path

from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, PushedModel
from tfx.utils import io_utils, path_utils
from tfx.v1.dsl.components import InputArtifact, OutputArtifact, Parameter, component

from components.push_gate.fingerprint import directory_fingerprint
from components.pusher.flags import is_set
from components.pusher.versions import push


@component
def VersionPusher(
    model: InputArtifact[Model],
    model_blessing: InputArtifact[ModelBlessing],
    infra_blessing: InputArtifact[InfraBlessing],
    pushed_model: OutputArtifact[PushedModel],
    destination: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Pushes the model as the destination's newest version when the gate and the serving check blessed it.

    Args:
        model: The Trainer's export; `Format-Serving/` is what gets pushed.
        model_blessing: The gate's; anything but `blessed` = 1, also as a double, means no.
        infra_blessing: The serving check's; likewise.
        pushed_model: `pushed.json`, and the custom properties `pushed` (0 or 1), `pushed_version` and
            `pushed_destination` (as the stock Pusher writes them).
        destination: Folder a model server watches.
        code_hash: Keys the cache by our code; not read.

    Raises:
        ValueError: The destination cannot be pushed to.
    """
    record: dict = {"pushed": 0}
    if is_set(model_blessing, "blessed") and is_set(infra_blessing, "blessed"):
        record = _push(Path(path_utils.serving_model_path(model.uri)), destination)
        pushed_model.set_string_custom_property("pushed_version", record["version"])
        pushed_model.set_string_custom_property("pushed_destination", record["path"])
    pushed_model.set_int_custom_property("pushed", record["pushed"])
    io_utils.write_string_file(f"{pushed_model.uri}/pushed.json", json.dumps(record, indent=1))


def _push(model_dir: Path, destination: str) -> dict:
    fingerprint = directory_fingerprint(str(model_dir))
    pushed = push(model_dir, destination, fingerprint)
    for text in pushed.damaged:
        logging.warning("a served version is not what was pushed: %s", text)
    return {
        "pushed": 1,
        "version": str(pushed.version),
        "path": str(pushed.path),
        "already_there": pushed.already_there,
        "fingerprint": fingerprint,
        "damaged": list(pushed.damaged),
    }
