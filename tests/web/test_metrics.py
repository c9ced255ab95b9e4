"""/metrics, as Prometheus reads it: complete, true, bounded, and cheap."""

import re
import socket
import threading
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from sqlalchemy import event

from tests.store.world import make_due, request, seen, track
from tests.support.processes import ROOT, Programs, environment
from tests.support.services import Broker
from tests.web.conftest import Served, answer_all, served
from worker import __version__
from worker.domain.metrics import CATALOGUE
from worker.domain.projects.observation import CheckFailure, FailureKind
from worker.domain.scheduling.rate_limit import Limits
from worker.store.engine import Database
from worker.store.monitoring.gauges import read_samples
from worker.web.metrics_page import page

Labels = frozenset[tuple[str, str]]


def scrape(web: Served) -> dict[str, dict[Labels, float]]:
    """Return every sample by name and labels."""
    with web.client("metrics", name=f"scrape-{uuid4().hex}") as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    found: dict[str, dict[Labels, float]] = {}
    for family in parse_text(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def value(samples: Mapping[str, Mapping[Labels, float]], name: str, **labels: str) -> float:
    return samples[f"renderwatch_{name}"][frozenset(labels.items())]


def test_the_page_is_what_the_catalogue_says() -> None:
    assert (ROOT / "docs/metrics.md").read_text(encoding="utf-8") == page(), "run: make metrics-page"


def test_counters_and_gauges_say_what_happened(database: Database) -> None:
    with served(database, rate=7.0, routes={"*": ["celery:studio.on_render?queue=studio"]}) as web:
        track(database, request(1), request(2), request(3, kind="image"))
        answer_all(database, seen("queued"), seen("rendering"), seen("complete"))
        samples = scrape(web)

    assert value(samples, "database_up") == 1
    assert value(samples, "build_info", version=__version__) == 1
    assert value(samples, "projects_tracked_total", kind="video") == 2
    assert value(samples, "projects_open", kind="video", state="settling") == 2
    assert value(samples, "transitions_total", kind="image", status="complete") == 1
    assert value(samples, "checks_total", outcome="changed") == 9
    assert value(samples, "events_total", type="project.completed") == 3
    assert value(samples, "request_limit_per_second", account="default") == 7
    assert value(samples, "detection_delay_seconds_count") == 3
    assert value(samples, "detection_delay_seconds_bucket", le="+Inf") == 3
    assert value(samples, "last_check_timestamp_seconds") > 1_700_000_000
    assert value(samples, "database_size_bytes") > 10_000
    charged = sum(v for k, v in samples["renderwatch_credits_total"].items() if ("direction", "charged") in k)
    with database.read() as connection:
        ledger = connection.exec_driver_sql("SELECT sum(amount) FROM credit_adjustments WHERE amount > 0").scalar()
    assert charged == ledger


def test_failures_unknown_values_and_backlog_are_seen(database: Database) -> None:
    track(database, request(1), request(2))
    answer_all(database, seen("daydreaming"), CheckFailure(FailureKind.UNAVAILABLE, "down"))
    make_due(database)
    with served(database) as web:
        samples = scrape(web)
    assert value(samples, "checks_total", outcome="unavailable") == 2
    assert value(samples, "unknown_values_total", field="status") == 2
    assert value(samples, "transitions_total", kind="video", status="other") == 2
    assert any(("severity", "critical") in found for found in samples["renderwatch_finding"])
    assert value(samples, "projects_due", account="default") == 2
    assert value(samples, "oldest_due_seconds", account="default") > 0


def test_a_scrape_is_valid_in_both_formats_and_needs_a_token_of_its_own(web: Served) -> None:
    with web.client("metrics") as client:
        text = client.get("/metrics", headers={"accept": "text/plain"})
        openmetrics = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert text.headers["content-type"].startswith("text/plain; version=")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert list(parse_text(text.text))
    assert list(parse_openmetrics(openmetrics.text))  # type: ignore[no-untyped-call]  # it has no types
    with web.client("read", name="reads") as client:
        assert client.get("/metrics").status_code == 403
        assert "--scope metrics" in client.get("/metrics").text
    assert httpx.get(web.url + "/metrics", trust_env=False).status_code == 401


def test_a_read_is_kept_for_a_moment(web: Served) -> None:
    assert value(scrape(web), "build_info", version=__version__) == 1
    track(web.database, request(9, kind="audio"))
    assert "renderwatch_projects_open" not in scrape(web)


def test_every_metric_is_read_from_an_index(postgres_url: str) -> None:
    database = Database(postgres_url)
    track(database, *(request(number) for number in range(50)))
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:  # noqa: ANN401
        if "tracked_projects" in statement or "deliveries" in statement:
            statements.append((statement, parameters))

    with database.read() as connection:
        event.listen(connection, "before_cursor_execute", note)
        read_samples(connection, Limits(10, 50), (), 5)
        event.remove(connection, "before_cursor_execute", note)
        assert len(statements) >= 7
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, parameters in statements:
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
            # Destinations are a few rows.
            assert "Seq Scan" not in plan.replace("Seq Scan on destinations", ""), plan
    database.close()


def test_without_the_database_it_says_so_on_its_own_port(
    postgres: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("web")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ports = {"web_port": 0, "metrics_port": port}
    variables = environment(postgres_url, Broker("redis://127.0.0.1:1/0"), "http://127.0.0.1:1", **ports)
    url = f"http://127.0.0.1:{port}/metrics"
    with Programs(folder) as programs:
        programs.start("web", ["-m", "worker.web"], variables).says("HTTP API and dashboard")
        assert "renderwatch_database_up 1.0" in httpx.get(url, trust_env=False).text
        name = postgres_url.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(postgres, autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        threading.Event().wait(5.1)  # as long as a read is kept
        answer = httpx.get(url, trust_env=False, timeout=20)
    assert answer.status_code == 200
    assert "renderwatch_database_up 0.0" in answer.text
    assert "renderwatch_projects" not in answer.text


def test_the_catalogue_is_in_good_order() -> None:
    names = [metric.name for metric in CATALOGUE]
    assert len(set(names)) == len(names)
    for metric in CATALOGUE:
        assert re.fullmatch(r"[a-z_]+", metric.name)
        assert not metric.help.endswith(".")
        assert (metric.type == "histogram") == bool(metric.buckets)
