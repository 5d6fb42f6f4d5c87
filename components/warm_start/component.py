"""The node that hands the Trainer the champion's weights beside the backbone's, or says why not."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model

from components.artifacts import Baseline, IngestReport
from components.errors import DataRefused
from components.foreign import json_text
from components.push_gate.exported import FACTS_FILE, HISTORY_FILE, read_facts
from components.registry.opening import open_registry
from components.registry.protocol import (
    KERAS,
    KERAS_FILE,
    KERAS_FOLDER,
    TRAINING_KEY,
    VALIDATION,
    WARM_START,
    ModelRegistry,
    RegisteredVersion,
)
from components.registry.record import validation_split
from components.registry.settings import RegistrySettings
from components.trainer.settings import TrainerSettings
from components.trainer.start import Start
from components.warm_start.decision import Kind, objection, source_of
from components.warm_start.weights import Unfit, take

_SERVING = "Format-Serving"
_WEIGHTS_FILE = "backbone.weights.h5"


@component
def WarmStart(
    backbone: InputArtifact[Model],
    baseline: InputArtifact[Baseline],
    ingest_report: InputArtifact[IngestReport],
    start: OutputArtifact[Model],
    registry: Parameter[str],
    trainer: Parameter[str],
    classes: Parameter[str],
    image_size: Parameter[int],
    training_key: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Fetches the champion's weights and keeps them if they fit; a champion that does not fit is no error.

    Args:
        backbone: The backbone's weights, from the Backbone node.
        baseline: Names the champion, or none.
        ingest_report: Says how the images were split.
        start: Receives the backbone's files, `warm_start.json` and, where the training starts warm, the champion's
            weights.
        registry: JSON of RegistrySettings, `uri` and `model_name` filled in.
        trainer: JSON of TrainerSettings.
        classes: JSON list of the class names, in order.
        image_size: Side of the input, in pixels.
        training_key: Hash of all that the training depends on; a champion that has the same one is not trained further.
        code_hash: Keys the cache by our code; not read.

    Raises:
        RegistryUnavailable: The registry cannot be reached within bounded retries.
        DataRefused: The champion's files are not what was registered.
    """
    del code_hash
    source, target = Path(backbone.uri, _SERVING), Path(start.uri, _SERVING)
    shutil.copytree(source, target, dirs_exist_ok=True)
    settings = TrainerSettings.model_validate_json(trainer)
    description = json_text.read(source / "backbone.json")
    wanted = Kind(
        classes=tuple(json_text.parse(classes)),
        image_size=image_size,
        hidden_units=settings.head.hidden_units,
        backbone=description["kind"],
        source_sha256=source_of(description),
        validation=validation_split(json_text.read(Path(ingest_report.uri, "report.json"))),
    )
    version = json_text.read(Path(baseline.uri, "baseline.json"))["version"]
    if version is None:
        chosen = Start.cold("there is no champion yet")
    else:
        model_registry = open_registry(RegistrySettings.model_validate_json(registry))
        with tempfile.TemporaryDirectory() as scratch:
            try:
                origin = _origin(model_registry, version, Path(baseline.uri), training_key, Path(scratch))
                chosen = _started(model_registry, origin, wanted, settings, target, Path(scratch))
            except Unfit as error:
                chosen = Start.cold(str(error))
    chosen.write(target)
    start.set_string_custom_property("warm_started_from", chosen.version or "none")


@dataclass(frozen=True)
class _Origin:
    """The version to start from."""

    version: RegisteredVersion
    files: Path
    """The folder that holds its `Format-Serving`."""


def _origin(registry: ModelRegistry, number: str, files: Path, training_key: str, scratch: Path) -> _Origin:
    """Finds the version to start from: the champion, unless the champion came from this very training.

    A repeated training starts where the first one started; otherwise each repetition would train a little further.
    """
    champion = registry.version(number)
    if champion.tags.get(TRAINING_KEY) != training_key:
        return _Origin(champion, files)
    earlier_number = champion.tags.get(WARM_START, "none")
    if earlier_number == "none":
        raise Unfit(f"version {number} came from this very training, and started cold")
    try:
        earlier = registry.version(earlier_number)
    except DataRefused:
        raise Unfit(f"version {earlier_number}, from which version {number} started, is gone") from None
    registry.download(earlier, scratch)
    return _Origin(earlier, scratch)


def _started(
    registry: ModelRegistry, origin: _Origin, wanted: Kind, settings: TrainerSettings, target: Path, scratch: Path
) -> Start:
    """Puts the version's weights beside the backbone's.

    Raises:
        Unfit: The weights do not fit the training.
    """
    version, facts = origin.version, read_facts(str(origin.files), FACTS_FILE)
    reason = None if version.tags.get(KERAS) else "has no Keras file whose hash was registered"
    reason = reason or objection(Kind.of_export(facts, version.tags.get(VALIDATION, "")), wanted)
    if reason:
        raise Unfit(f"version {version.version} {reason}")
    registry.download_keras(version, scratch)
    source = target / _WEIGHTS_FILE if wanted.source_sha256 else None
    try:
        taken = take(scratch / KERAS_FOLDER / KERAS_FILE, source, wanted, settings)
    except Unfit as error:
        raise Unfit(f"version {version.version} {error}") from error
    taken.write(target)
    history = read_facts(str(origin.files), HISTORY_FILE) or {}
    updates = history.get("num_updates")
    return Start.warm(version.version, taken.fingerprint, updates if isinstance(updates, int) else 0)
