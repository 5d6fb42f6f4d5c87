"""What TFX's DistributionValidator is told, and what it found."""

from collections.abc import Mapping
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import anomalies_pb2, path_pb2
from tfx.proto import distribution_validator_pb2

from components.drift.settings import DriftSettings
from schemas.images import served_comparators


@dataclass(frozen=True)
class Distance:
    """How far a feature's distribution is from the reference's.

    Attributes:
        value: TFDV's; None where it could not be compared.
        threshold: Largest accepted.
        measure: In words.
    """

    value: float | None
    threshold: float
    measure: str


_MEASURES: Mapping[str, str] = {
    "jensen_shannon_divergence": "Jensen-Shannon divergence",
    "infinity_norm": "L-infinity distance",
}


def validator_config(settings: DriftSettings) -> distribution_validator_pb2.DistributionValidatorConfig:
    """Returns the comparators of every feature, with the settings' thresholds where they name one."""
    comparators = served_comparators()
    config = distribution_validator_pb2.DistributionValidatorConfig()
    for name, comparator in comparators.items():
        added = config.default_slice_config.feature.add(path=path_pb2.Path(step=[name]))
        added.distribution_comparator.CopyFrom(comparator)
        if name in settings.thresholds:
            getattr(added.distribution_comparator, _kind(comparator)).threshold = settings.thresholds[name]
    return config


def distances(anomalies: anomalies_pb2.Anomalies, settings: DriftSettings) -> dict[str, Distance]:
    """Reads what DistributionValidator measured.

    Returns:
        Feature -> distance, for every feature that was to be compared.
    """
    measured = {
        ".".join(info.path.step): info.drift_measurements[0].value
        for info in anomalies.drift_skew_info
        if info.drift_measurements
    }
    found = {}
    for feature in validator_config(settings).default_slice_config.feature:
        name, kind = ".".join(feature.path.step), _kind(feature.distribution_comparator)
        threshold = getattr(feature.distribution_comparator, kind).threshold
        found[name] = Distance(measured.get(name), threshold, _MEASURES[kind])
    return found


def _kind(comparator: object) -> str:
    return next(kind for kind in _MEASURES if comparator.HasField(kind))  # type: ignore[attr-defined]
