"""Spans for OpenTelemetry, with the extra ``otel``. Without it trace headers pass through as they came.

There are spans only of what belongs to a caller's trace: storing the request, each check that changed the project, the
recording of the change, and each delivery of its events. OpenTelemetry's own variables configure where spans go.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from typing import Any, Final

from worker import __version__
from worker.domain.intake.trace_headers import Trace
from worker.domain.log_events import event

_log: Final = logging.getLogger("renderwatch.traces")
_GROUP: Final = "opentelemetry_traces_exporter"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_FLUSH_MILLISECONDS: Final = 2000


@contextmanager
def span(name: str, trace: Trace, attributes: Mapping[str, str | int]) -> Iterator[Trace]:
    """Do something as a span of a trace. Gives the headers for what follows from it."""
    opened = _start(name, trace, attributes, time.time_ns())
    if opened is None:
        yield trace
        return
    try:
        yield _continued(trace, opened)
    finally:
        opened.end()


def add_span(name: str, trace: Trace, attributes: Mapping[str, str | int], started: int, ended: int) -> None:
    """Add a span of the past to a trace; times are nanoseconds of the Unix clock."""
    if opened := _start(name, trace, attributes, started):
        opened.end(ended)


def delivery_headers(trace: Trace | None, event_type: str) -> Trace:
    """Return the headers that a delivery of an event takes along, and add its span to the project's trace."""
    with span("renderwatch.deliver", trace or {}, {"renderwatch.event": event_type}) as headers:
        return headers


def flush() -> None:
    """Send what is not sent yet, in two seconds at most. For processes that end without Python's own end."""
    if provider := _provider(os.getpid()):
        provider.force_flush(_FLUSH_MILLISECONDS)


def _start(name: str, trace: Trace, attributes: Mapping[str, str | int], started: int) -> Any:  # noqa: ANN401  a span
    provider = _provider(os.getpid()) if "traceparent" in trace else None
    if provider is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  an extra

    tracer = provider.get_tracer("renderwatch", __version__)
    parent = TraceContextTextMapPropagator().extract(trace)
    return tracer.start_span(name, parent, attributes=dict(attributes), start_time=started)


def _continued(trace: Trace, opened: Any) -> Trace:  # noqa: ANN401  a span
    from opentelemetry.trace import set_span_in_context  # noqa: PLC0415  as above
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  as above

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers, set_span_in_context(opened))
    return {**trace, **headers}


@cache
def _provider(process: int) -> Any:  # noqa: ANN401, ARG001  of OpenTelemetry; each process needs one with a thread of its own
    try:
        from opentelemetry import trace  # noqa: PLC0415  as above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  as above
    except ImportError:
        return None
    # A process that runs under opentelemetry-instrument has one.
    found = trace.get_tracer_provider()
    return found if isinstance(found, TracerProvider) else _make_provider()


def _make_provider() -> Any:  # noqa: ANN401  as above
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  as above

    name = _exporter_name()
    if name == "none":
        return None
    found = list(metadata.entry_points(group=_GROUP, name=name))
    if not found:
        _log.warning(
            "traces are not exported: there is no exporter %s; install renderwatch[otel] "
            "or the package that has it, or correct OTEL_TRACES_EXPORTER",
            name,
            extra=event("traces_not_exported", exporter=name),
        )
        return None
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": "renderwatch"}))
    provider.add_span_processor(BatchSpanProcessor(found[0].load()()))
    return provider


def _exporter_name() -> str:
    """Return the exporter that the environment asks for; without an address there is no collector to send to."""
    exporter = os.environ.get("OTEL_TRACES_EXPORTER") or ("otlp" if _first(_ENDPOINTS) else "none")
    if exporter != "otlp":
        return exporter
    return "otlp_proto_grpc" if _first(_PROTOCOLS) == "grpc" else "otlp_proto_http"


def _first(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)
