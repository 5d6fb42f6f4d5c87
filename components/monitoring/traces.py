"""A run as OpenTelemetry spans, one for the run and one for each node, sent when it is over."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

# OpenTelemetry's own; the SDK reads them and its further ones, such as headers and the time it waits.
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_NANOSECONDS: Final = 1_000_000_000
_ERRORS: Final = ("failed", "refused")


def send_traces(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Sends a run's spans to the collector that OpenTelemetry's environment variables name; without one, nowhere.

    Args:
        summary: `summary.json`, of a run or of a look at the log of requests.

    Returns:
        A sentence if they could not be sent.
    """
    variable = next((name for name in _ENDPOINTS if os.environ.get(name)), None)
    if variable is None:
        return ()
    try:
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import SpanExportResult
    except ImportError:
        return (f"{variable} is set, and traces need frostgate's extra 'traces'; install frostgate[traces].",)
    exporter = OTLPSpanExporter()
    try:
        taken = exporter.export(spans(summary)) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()
    return () if taken else (f"The collector that {variable} names did not take the run's traces; see the log.",)


def spans(summary: Mapping[str, Any]) -> Sequence["ReadableSpan"]:
    """Makes the spans of a run: every node that ran or was cached, then the run itself, their parent."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import set_span_in_context

    kept = InMemorySpanExporter()
    service = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "frostgate"}
    # Of its own: another library's traces are not ours, and ours not its.
    provider = TracerProvider(resource=Resource.create(service), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("frostgate")
    started = datetime.fromisoformat(summary["started"]).timestamp()
    run = tracer.start_span(summary["pipeline"], start_time=_nanoseconds(started), attributes=_of_run(summary))
    for node in summary["nodes"]:
        if node["ended"] is not None:
            begun = _nanoseconds(node["ended"] - node["seconds"])
            span = tracer.start_span(node["id"], set_span_in_context(run), attributes=_of_node(node), start_time=begun)
            _end(span, node["status"], node["error"], node["ended"])
    _end(run, summary["status"], summary["message"], started + summary["seconds"])
    return kept.get_finished_spans()


def _of_run(summary: Mapping[str, Any]) -> dict[str, Any]:
    verdict = summary.get("verdict") or {}
    found = {
        "run_id": summary["run_id"],
        "status": summary["status"],
        "exit_code": summary["exit_code"],
        "seconds": summary["seconds"],
        "served_version": summary.get("served_version"),
        "verdict": verdict.get("decision"),
        "codes": verdict.get("codes"),
    }
    return _attributes(found)


def _of_node(node: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: node[key] for key in ("status", "seconds", "peak_memory_gigabytes")}
    return _attributes({**found, "cache_hit": node["status"] == "cached"})


def _attributes(found: Mapping[str, Any]) -> dict[str, Any]:
    return {f"frostgate.{key}": value for key, value in found.items() if value is not None}


def _end(span: Any, status: str, message: str | None, ended: float) -> None:
    from opentelemetry.trace import Status, StatusCode

    if status in _ERRORS:
        span.set_status(Status(StatusCode.ERROR, message))
    span.end(_nanoseconds(ended))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)
