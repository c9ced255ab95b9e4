"""One trace, from the message of the service that tracks a project to the task that gets its event."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.adversary.stand_in import check_due, stand_in
from tests.store.checking import SETTINGS
from tests.store.world import name
from tests.web.conftest import Served, served
from worker import traces
from worker.domain.deliveries.attempt import Attempt
from worker.domain.deliveries.due import DueDelivery
from worker.store.engine import Database
from worker.tasks.intake.protocol import Message, read_message
from worker.tracking.deliver import deliver
from worker.tracking.intake.messages import track_messages

TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
CALLER: Final = "b7ad6b7169203331"
HEADERS: Final = {
    "traceparent": f"00-{TRACE}-{CALLER}-01",
    "tracestate": "vendor=1",
    "baggage": "order=4711",
    "sentry-trace": f"{TRACE}-{CALLER}-1",
}
ROUTED: Final = SETTINGS.model_copy(update={"routes": {"project.completed": ["celery:studio.on_render?queue=studio"]}})


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What the extra sends, kept here."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(traces, "_provider", lambda _process: provider)
    yield exporter
    provider.shutdown()


def track_by_message(database: Database, **headers: object) -> None:
    body = json.dumps([[], {"kind": "video", "project_id": name(1)}, {}]).encode()
    message = {"task": "renderwatch.track", "id": "1", **headers}
    track_messages(database, ROUTED, read_message(Message(message, "application/json", "utf-8", body)))


def sent_headers(database: Database) -> list[dict[str, str]]:
    """Check the project, which is complete, and deliver its event. Returns the headers that went out with it."""
    found: list[dict[str, str]] = []

    def send(deliveries: Sequence[DueDelivery], _deadline: float) -> list[Attempt]:
        found.extend(dict(traces.delivery_headers(one.trace, str(one.payload["type"]))) for one in deliveries)
        return [Attempt()] * len(deliveries)

    with stand_in() as api:
        check_due(database, api, ROUTED)
    assert deliver(database, ROUTED, send).sent == 1
    return found


def spans_of(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert len(spans) == len(exporter.get_finished_spans()), "no span twice"
    return spans


def parent(span: ReadableSpan) -> str:
    assert span.parent
    return f"{span.parent.span_id:016x}"


def own(span: ReadableSpan) -> str:
    context: Any = span.context
    return f"{context.span_id:016x}"


def test_one_trace_leads_from_the_callers_message_to_the_downstream_task(
    database: Database, exporter: InMemorySpanExporter
) -> None:
    track_by_message(database, **HEADERS)
    (headers,) = sent_headers(database)
    spans = spans_of(exporter)
    assert set(spans) == {"renderwatch.track", "renderwatch.check", "renderwatch.record", "renderwatch.deliver"}
    assert {f"{span.context.trace_id:032x}" for span in spans.values() if span.context} == {TRACE}
    assert parent(spans["renderwatch.track"]) == CALLER
    track = own(spans["renderwatch.track"])
    assert {parent(spans[f"renderwatch.{step}"]) for step in ("check", "record", "deliver")} == {track}
    assert headers == HEADERS | {"traceparent": f"00-{TRACE}-{own(spans['renderwatch.deliver'])}-01"}
    check, record = spans["renderwatch.check"], spans["renderwatch.record"]
    assert check.attributes
    assert check.attributes["renderwatch.project_id"] == name(1)
    assert check.start_time
    assert check.end_time
    assert record.start_time
    assert record.end_time
    assert check.start_time <= check.end_time <= record.start_time <= record.end_time


def test_without_the_extra_the_headers_pass_through_as_they_came(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "_provider", lambda _process: None)
    track_by_message(database, id="1", headers=HEADERS)
    assert sent_headers(database) == [HEADERS]


def test_a_project_without_a_trace_makes_no_span(database: Database, exporter: InMemorySpanExporter) -> None:
    track_by_message(database)
    assert sent_headers(database) == [{}]
    assert exporter.get_finished_spans() == ()


def test_the_http_api_takes_the_headers_of_its_requests(database: Database, exporter: InMemorySpanExporter) -> None:
    def ask(web: Served) -> None:
        with web.client("track") as client:
            item = {"kind": "video", "project_id": name(1)}
            assert client.post("/v1/projects/bulk", json={"projects": [item]}, headers=HEADERS).is_success

    with served(database) as web:
        ask(web)
    (headers,) = sent_headers(database)
    assert spans_of(exporter).keys() >= {"renderwatch.track", "renderwatch.deliver"}
    assert headers["traceparent"].split("-")[1] == TRACE
    assert headers["sentry-trace"] == HEADERS["sentry-trace"]


@pytest.mark.parametrize(
    ("variables", "exporter"),
    [
        ({}, "none"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, "otlp_proto_http"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "otlp_proto_grpc"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, "none"),
    ],
)
def test_opentelemetrys_variables_choose_the_exporter(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], exporter: str
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert traces._exporter_name() == exporter
    provider = traces._make_provider() if exporter != "otlp_proto_grpc" else None
    assert (provider is None) == (exporter in {"none", "otlp_proto_grpc"})
    if provider:
        assert provider.resource.attributes["service.name"] == "renderwatch"
        provider.shutdown()
