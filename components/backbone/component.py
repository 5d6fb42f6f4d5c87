"""The Backbone node: weights become an artifact of the run."""

import json
import shutil
from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model

from components import whole_files
from components.backbone import weights
from components.backbone.kinds import KINDS
from components.backbone.kinds import Backbone as Kind
from components.backbone.pretrain import is_whole, pretrain
from components.backbone.settings import NAMED_WEIGHTS, BackboneSettings
from components.errors import DataRefused
from components.ingest.embedded import is_embedded, materialise


@component
def Backbone(
    backbone: OutputArtifact[Model],
    settings: Parameter[str],
    image_size: Parameter[int],
    seed: Parameter[int],
    source_dir: Parameter[str],
    cache_key: Parameter[str],
    cache_dir: Parameter[str],
    code_hash: Parameter[str],
) -> None:
    """Resolves the backbone's weights and records their hash.

    Args:
        backbone: Receives `Format-Serving/backbone.json` and, unless weights are `none`,
            `Format-Serving/backbone.weights.h5`.
        settings: JSON of `BackboneSettings`.
        image_size: Side of the input, in pixels.
        seed: Seeds pretraining.
        source_dir: The source task's folder, or the name of an embedded one, when weights are `pretrain`.
        cache_key: Changes when pretrained weights must be made again.
        cache_dir: Keeps downloads and pretrained weights between runs.
        code_hash: Keys TFX's cache; not read.
    """
    wanted = BackboneSettings.model_validate_json(settings)
    folder = Path(backbone.uri) / "Format-Serving"
    folder.mkdir(parents=True, exist_ok=True)
    description = {"kind": wanted.kind, "weights": wanted.weights, "sha256": ""}
    source = _weights_file(wanted, image_size, seed, source_dir, cache_key, cache_dir)
    if source is not None:
        target = folder / "backbone.weights.h5"
        name = "" if wanted.weights in NAMED_WEIGHTS else wanted.weights
        try:
            _write_as_weights(source, target, KINDS[wanted.kind], image_size, name)
        except DataRefused:
            if name:
                source.unlink()
            raise
        description["sha256"] = whole_files.sha256_of(target)
    (folder / "backbone.json").write_text(json.dumps(description, indent=2))
    for key, value in description.items():
        backbone.set_string_custom_property(key, value)


def _weights_file(
    wanted: BackboneSettings, image_size: int, seed: int, source_dir: str, cache_key: str, cache_dir: str
) -> Path | None:
    if wanted.weights == "none":
        return None
    if wanted.weights == "imagenet":
        return weights.download_imagenet(KINDS[wanted.kind], cache_dir)
    if wanted.weights != "pretrain":
        return weights.fetch(wanted.weights, wanted.sha256, cache_dir)
    cached = Path(cache_dir) / f"pretrained-{cache_key}.weights.h5"
    if not is_whole(cached):
        folder = materialise(source_dir, cache_dir) if is_embedded(source_dir) else source_dir
        pretrain(folder, wanted, image_size, seed, cached)
    return cached


def _write_as_weights(source: Path, target: Path, kind: Kind, image_size: int, name: str) -> None:
    """Writes the weights of a file in any accepted format in the format that the Trainer reads."""
    network = kind.build(image_size)
    # The file is loaded even where it is only copied: weights of another network must fail here, not in the Trainer.
    weights.load(network, source, name)
    if name:
        weights.refuse_surplus(network, source, name)
    if source.name.endswith(".weights.h5"):
        shutil.copyfile(source, target)
    else:
        network.save_weights(target)
