"""The node that mends a refused model, or passes it on as it is."""

import os

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model, TransformGraph

from components.artifacts import Verdict
from components.foreign import json_text
from components.repair.batch_norm import is_called_for, mend
from schemas import features


@component
def Repair(
    model: InputArtifact[Model],
    verdict: InputArtifact[Verdict],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    repaired: OutputArtifact[Model],
    code_hash: Parameter[str],
) -> None:
    """Re-estimates BatchNorm's moving statistics where the verdict says that they never converged.

    Args:
        model: What the Trainer exported.
        verdict: The gate's on it.
        examples: What ingest wrote; only the training split is read.
        transform_graph: Makes pixels of pictures, and is part of the new export.
        repaired: The mended model, or a copy of the one given; judged again either way.
        code_hash: Of our code; keys the cache and is otherwise unused.
    """
    del code_hash
    with fileio.open(os.path.join(verdict.uri, "verdict.json")) as opened:
        document = json_text.parse(opened.read())
    if is_called_for(document):
        train = artifact_utils.get_split_uri([examples], features.TRAIN)
        mend(model.uri, repaired.uri, train, transform_graph.uri)
    else:
        _copy(model.uri, repaired.uri)


def _copy(source: str, target: str) -> None:
    for folder, _, files in fileio.walk(source):
        place = os.path.join(target, os.path.relpath(folder, source))
        fileio.makedirs(place)
        for name in files:
            fileio.copy(os.path.join(folder, name), os.path.join(place, name), overwrite=True)
