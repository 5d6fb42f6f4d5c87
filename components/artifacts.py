"""Artifact types of our own; each is a folder with the files its docstring names.

Names and properties keep to what TFX's compiler for Kubeflow takes: a name of two parts, and no declared properties.
"""

from typing import ClassVar, Final

from tfx.types.artifact import Artifact, Property


class IngestReport(Artifact):
    """`report.json`: counts that add up; `rejects.jsonl`: every refused image with its reason."""

    TYPE_NAME = "frostgate.IngestReport"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class DataDecision(Artifact):
    """`decision.json`: whether the data may be trained on, and why not."""

    TYPE_NAME = "frostgate.DataDecision"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


# In a Baseline, beside the champion's export.
ANCESTOR_FOLDER: Final = "ancestor"


class Baseline(Artifact):
    """`baseline.json`: the champion's version or null; when there is one, `Format-Serving/`, its SavedModel.

    `reference/` beside it is its Reference; a champion of an older frostgate has none. `ancestor/Format-Serving/` is
    the best of the champions before it, where one was better.
    """

    TYPE_NAME = "frostgate.Baseline"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class Verdict(Artifact):
    """`verdict.json`: the decision, as `schemas/verdict.schema.json` says; `evidence.json`: what the card shows."""

    TYPE_NAME = "frostgate.Verdict"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class Reference(Artifact):
    """What the model says of validation images, for later comparison with what it is asked; empty if it said nothing.

    `examples.tfrecord.gz`: derived scalars and answers, no pictures; `embedding_mean.npy`: float32 [features].
    """

    TYPE_NAME = "frostgate.Reference"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class ServingLogReport(Artifact):
    """`log.json`: what the log of requests held, and what of it was not used."""

    TYPE_NAME = "frostgate.ServingLogReport"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class DriftReport(Artifact):
    """`drift.json`: whether what is served moved away from what was learnt; `drift.html`: the same for people."""

    TYPE_NAME = "frostgate.DriftReport"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class ServingReport(Artifact):
    """`serving.json`: how the export answered in a fresh process."""

    TYPE_NAME = "frostgate.ServingReport"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class Registration(Artifact):
    """`registration.json`: what the registry recorded."""

    TYPE_NAME = "frostgate.Registration"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class Card(Artifact):
    """`card.html`: the run on one page, without a network."""

    TYPE_NAME = "frostgate.Card"
    PROPERTIES: ClassVar[dict[str, Property]] = {}
