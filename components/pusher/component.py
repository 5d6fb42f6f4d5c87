"""The node that publishes a blessed model; everything else leaves the destination alone."""

import json
import logging
from contextlib import ExitStack
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, PushedModel
from tfx.utils import io_utils, path_utils

from components.artifacts import Baseline
from components.blessing import must_be_judged
from components.flags import is_set
from components.foreign import json_text
from components.push_gate.fingerprint import directory_fingerprint, weights_fingerprint
from components.pusher.versions import local_folder, push
from components.registry import lease
from components.registry.champions import objection
from components.registry.opening import open_registry
from components.registry.settings import RegistrySettings


@component
def VersionPusher(
    model: InputArtifact[Model],
    model_blessing: InputArtifact[ModelBlessing],
    infra_blessing: InputArtifact[InfraBlessing],
    baseline: InputArtifact[Baseline],
    pushed_model: OutputArtifact[PushedModel],
    destination: Parameter[str],
    registry: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Pushes the model as the destination's newest version when the gate and the serving check blessed it.

    Nothing is pushed either when the registry's champion is no longer the one that the gate compared the model with, or
    when somebody took this model back: `pushed.json` then says so.

    Args:
        model: The Trainer's export; `Format-Serving/` is what gets pushed.
        model_blessing: The gate's; anything but `blessed` = 1, also as a double, means no.
        infra_blessing: The serving check's; likewise.
        baseline: The champion that the gate compared the model with.
        pushed_model: `pushed.json`, and the custom properties `pushed` (0 or 1), `pushed_version` and
            `pushed_destination` (as the stock Pusher writes them), and `pushed_fingerprint`.
        destination: Folder a model server watches.
        registry: JSON of RegistrySettings, `uri` and `model_name` filled in.
        code_hash: Keys the cache by our code; not read.

    Raises:
        ArtifactChanged: The model is not the one that the gate and the serving check judged.
        ValueError: The destination cannot be pushed to.
        DataRefused: Another push holds the destination.
        RegistryUnavailable: Nobody can say which model is the champion.
    """
    with ExitStack() as on_the_way_out:
        record: dict = {"pushed": 0}
        if is_set(model_blessing, "blessed") and is_set(infra_blessing, "blessed"):
            # Before anything is locked or written.
            must_be_judged(model, model_blessing, infra_blessing)
            judged_against = json_text.read(Path(baseline.uri, "baseline.json"))["version"]
            model_dir = Path(path_utils.serving_model_path(model.uri))
            root = local_folder(destination)
            fingerprint = directory_fingerprint(str(model_dir))
            lease.take(root, fingerprint)
            on_the_way_out.callback(lease.release, root, fingerprint)
            versions = open_registry(RegistrySettings.model_validate_json(registry)).versions()
            reason = objection(fingerprint, weights_fingerprint(str(model_dir)) or "", judged_against, versions)
            record = {"pushed": 0, "objection": reason} if reason else _push(model_dir, destination, fingerprint)
        if record["pushed"]:
            pushed_model.set_string_custom_property("pushed_version", record["version"])
            pushed_model.set_string_custom_property("pushed_destination", record["path"])
            pushed_model.set_string_custom_property("pushed_fingerprint", fingerprint)
        pushed_model.set_int_custom_property("pushed", record["pushed"])
        io_utils.write_string_file(f"{pushed_model.uri}/pushed.json", json.dumps(record, indent=1))
        if record["pushed"]:
            # Held until the alias has moved, by RegistryPush, which gives it back.
            on_the_way_out.pop_all()


def _push(model_dir: Path, destination: str, fingerprint: str) -> dict:
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
