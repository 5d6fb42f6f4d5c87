"""Gauges of one pipeline, as Prometheus names them."""

import math
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge


class Gauges:
    """Collects what is known of a pipeline; what is not known is absent, never zero."""

    def __init__(self, pipeline: str) -> None:
        self.registry = CollectorRegistry()
        self._pipeline = pipeline

    def one(self, name: str, help_text: str, value: float | None) -> None:
        """Adds a number without labels of its own."""
        self.many(name, help_text, (), {(): value})

    def state(self, name: str, help_text: str, label: str, states: tuple[str, ...], current: str) -> None:
        """Adds a 1 for the current state and a 0 for every other."""
        self.many(name, help_text, (label,), {(one,): float(one == current) for one in states})

    def many(
        self, name: str, help_text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float | None]
    ) -> None:
        """Adds a number for each combination of labels.

        Args:
            name: Without the prefix.
            help_text: A sentence.
            labels: Beside `pipeline`.
            values: Label values, in the order of the labels -> number; None and what is not finite is left out.
        """
        known = {key: value for key, value in values.items() if value is not None and math.isfinite(value)}
        if known:
            gauge = Gauge(f"frostgate_{name}", help_text, ("pipeline", *labels), registry=self.registry)
            for key, value in known.items():
                gauge.labels(self._pipeline, *key).set(value)
