"""TFDV's anomalies as sentences."""

from collections.abc import Iterator
from typing import Final

from tensorflow_metadata.proto.v0 import anomalies_pb2

_DATA_SET: Final = "data set"


def findings(anomalies: anomalies_pb2.Anomalies) -> tuple[str, ...]:
    """Lists what TFDV found, of any severity; empty when the split is clean.

    Returns:
        A line a finding: feature, short description, long description; sorted by feature.
    """
    return tuple(_lines(anomalies))


def numbers(anomalies: anomalies_pb2.Anomalies) -> dict[str, int]:
    """Counts what TFDV found: feature, or data set -> number of reasons; what is clean is absent."""
    found = {name: max(1, len(anomalies.anomaly_info[name].reason)) for name in sorted(anomalies.anomaly_info)}
    whole = anomalies.HasField("dataset_anomaly_info") + anomalies.data_missing
    return found | ({_DATA_SET: whole} if whole else {})


def _lines(anomalies: anomalies_pb2.Anomalies) -> Iterator[str]:
    for feature in sorted(anomalies.anomaly_info):
        yield _line(feature, anomalies.anomaly_info[feature])
    if anomalies.HasField("dataset_anomaly_info"):
        yield _line(_DATA_SET, anomalies.dataset_anomaly_info)
    if anomalies.data_missing:
        yield f"{_DATA_SET}: there are no examples"


def _line(name: str, info: anomalies_pb2.AnomalyInfo) -> str:
    return f"{name}: {info.short_description}: {' '.join(info.description.split())}"
