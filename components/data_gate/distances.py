"""How far apart two sets of pictures lie, feature by feature."""

from dataclasses import dataclass
from typing import Final

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

_ENVIRONMENT: Final = "TRAINING"


@dataclass(frozen=True, slots=True)
class Distance:
    """One feature's: L-infinity where values are counted, Jensen-Shannon's divergence of numbers; both in [0, 1]."""

    feature: str
    value: float
    threshold: float
    """Of the schema's drift comparator."""


def distances(
    one: statistics_pb2.DatasetFeatureStatisticsList,
    other: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
) -> tuple[Distance, ...]:
    """Measures every feature that has a drift comparator in the schema and statistics on both sides; sorted by name."""
    # Takes seconds to import, and the message types above do not.
    import tensorflow_data_validation as tfdv

    found = tfdv.validate_statistics(other, schema, _ENVIRONMENT, previous_statistics=one)
    return tuple(
        sorted(
            (
                Distance(".".join(info.path.step), measured.value, measured.threshold)
                for info in found.drift_skew_info
                for measured in info.drift_measurements
            ),
            key=lambda distance: distance.feature,
        )
    )
