"""Artifact types of our own; each is a folder with the files its docstring names.

Names and properties keep to what TFX's compiler for Kubeflow takes: a name of two parts, and no declared properties.
"""

from typing import ClassVar

from tfx.types.artifact import Artifact, Property


class IngestReport(Artifact):
    """`report.json`: counts that add up; `rejects.jsonl`: every refused image with its reason."""

    TYPE_NAME = "frostgate.IngestReport"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class DataDecision(Artifact):
    """`decision.json`: whether the data may be trained on, and why not."""

    TYPE_NAME = "frostgate.DataDecision"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class Baseline(Artifact):
    """`baseline.json`: the champion's version or null; `Format-Serving/`: its SavedModel when there is one."""

    TYPE_NAME = "frostgate.Baseline"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class Verdict(Artifact):
    """`verdict.json`: the decision, as `schemas/verdict.schema.json` says; `evidence.json`: what the card shows."""

    TYPE_NAME = "frostgate.Verdict"
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
