"""Artifact types of our own; each is a folder with the files its docstring names."""

from typing import ClassVar

from tfx.types.artifact import Artifact, Property, PropertyType


class IngestReport(Artifact):
    """`report.json`: counts that add up; `rejects.jsonl`: every refused image with its reason."""

    TYPE_NAME = "IngestReport"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class DataDecision(Artifact):
    """`decision.json`: whether the data may be trained on, and why not."""

    TYPE_NAME = "DataDecision"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class Baseline(Artifact):
    """`baseline.json`: the champion's version or null; `Format-Serving/`: its SavedModel when there is one."""

    TYPE_NAME = "Baseline"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class Verdict(Artifact):
    """`verdict.json`: the decision, as `schemas/verdict.schema.json` says; `evidence.json`: what the card shows."""

    TYPE_NAME = "Verdict"
    PROPERTIES: ClassVar[dict[str, Property]] = {"decision": Property(type=PropertyType.STRING)}


class ServingReport(Artifact):
    """`serving.json`: how the export answered in a fresh process."""

    TYPE_NAME = "ServingReport"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class Registration(Artifact):
    """`registration.json`: what the registry recorded."""

    TYPE_NAME = "Registration"
    PROPERTIES: ClassVar[dict[str, Property]] = {}


class Card(Artifact):
    """`card.html`: the run on one page, without a network."""

    TYPE_NAME = "Card"
    PROPERTIES: ClassVar[dict[str, Property]] = {}
