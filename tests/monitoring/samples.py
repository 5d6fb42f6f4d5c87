"""Prometheus' text as a table."""

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, ...], float]


def samples(text: str) -> Samples:
    """Name and label values, sorted by label -> value; without what a gateway adds."""
    found = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            labels = [value for key, value in sorted(one.labels.items()) if key not in ("instance", "job")]
            found[one.name, *labels] = one.value
    return found
