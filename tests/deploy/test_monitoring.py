"""A real Prometheus scrapes a running system: the metrics are those of the catalogue, and every panel has data."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from tests.celery.world import entry, hand_over, reading
from tests.store.world import request, seen, track
from tests.support.processes import ROOT, Programs, environment, free_port, wait_for
from tests.support.prometheus import prometheus, query
from tests.support.services import Broker
from tests.web.conftest import answer_all
from worker.domain.metrics import CATALOGUE
from worker.simulator import SimulatorOptions, running_simulator
from worker.store.engine import Database
from worker.store.readers.reader_role import grant_reader

DASHBOARDS: Final = sorted((ROOT / "deploy/monitoring/grafana/dashboards").glob("*.json"))
PANELS: Final = [(p.stem, panel) for p in DASHBOARDS for panel in json.loads(p.read_text(encoding="utf-8"))["panels"]]
SOURCES: Final = yaml.safe_load(
    (ROOT / "deploy/monitoring/grafana/provisioning/datasources/renderwatch.yml").read_text(encoding="utf-8")
)["datasources"]
# What a short run need not have.
MAY_BE_EMPTY: Final = {"Stalled projects", "Latest refunds", "Refunds outstanding", "Failures by code"}
# Counters of which a short run without confirmed destinations has nothing to count.
MAY_BE_ABSENT: Final = {"confirmations"}
FAST: Final = {
    "rate": 500,
    "burst": 2000,
    "least_gap": 0.2,
    "greatest_gap": 1,
    "settle_gaps": [0.5],
    "refund_gaps": [0.5, 1],
    "dispatch_every": 0.2,
    "sweep_every": 0.5,
    "upkeep_every": 2,  # ends a scan of invariants, whose time is a metric
    "routes": {"*": ["celery:studio.on_render?queue=studio"]},
}


def test_metrics_and_dashboards_hold_on_a_running_system(
    postgres_url: str, redis_service: Broker, tmp_path: Path
) -> None:
    database = Database(postgres_url)
    track(database, request(1))
    answer_all(database, seen("daydreaming"))  # a status that nobody knows
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO accounts (name, tokens, refilled_at, rate_factor, failure_streak, paused_until, pause_reason)"
            " VALUES ('studio', 0, now(), 1, 3, now() + interval '1 hour', 'unauthorized')"
        )
    port = free_port()
    simulator_options = SimulatorOptions(seed=5, time_scale=200, failure_rate=0.3, late_refund_rate=1, no_refund_rate=0)
    with (
        running_simulator(simulator_options) as simulator,
        Programs(tmp_path) as programs,
        prometheus(tmp_path, port) as client,
        reading(postgres_url) as store,
    ):
        variables = environment(
            postgres_url, redis_service, simulator.url, web_port=0, metrics_port=port, state_dir=str(tmp_path), **FAST
        ) | {"RENDERWATCH_MAGIC_HOUR_WEBHOOK_SECRETS": '{"default": "whsec_of-the-tests"}'}
        web = programs.start("web", ["-m", "worker.web"], variables)
        web.says("HTTP API and dashboard")
        forged = f"{_url(web.log)}/hooks/magic-hour/default"
        assert httpx.post(forged, content=b"{}", trust_env=False).status_code in (400, 401)
        programs.beat(variables)
        programs.worker(variables)
        hand_over(redis_service, *(entry(project) for project in simulator.create(12)))
        wait_for(lambda: store.states().get("closed", 0) >= 12, 90, "the projects are closed", store.states)
        hand_over(redis_service, {"kind": "nothing"})
        sent = "max(renderwatch_deliveries_total) > 20 and on() max(renderwatch_requests_rejected_total) > 0"
        wait_for(lambda: query(client, sent), 60, "Prometheus has seen it all")

        _judge_names(client)
        for dashboard, panel in PANELS:
            for target in panel["targets"]:
                rows = partial(_rows, client, postgres_url, target)
                if panel["title"] in MAY_BE_EMPTY:
                    rows()
                else:
                    wait_for(rows, 30, f"{dashboard}: {panel['title']} has data")
        rules = client.get("/rules").json()["data"]["groups"]
        assert all(rule["health"] == "ok" for group in rules for rule in group["rules"]), rules
    database.close()


def _url(log: str) -> str:
    found = re.search(r"HTTP API and dashboard: (http://[^/\s]+)", log)
    assert found
    return found[1]


def _judge_names(client: httpx.Client) -> None:
    expected = [metric for metric in CATALOGUE if metric.name not in MAY_BE_ABSENT]
    known = {metric.full_name for metric in expected}
    wait_for(lambda: known <= _names(client), 30, "every metric is there", lambda: known - _names(client))
    assert _names(client) - known <= {metric.full_name for metric in CATALOGUE}
    for metric in expected:
        name = metric.full_name + ("_count" if metric.type == "histogram" else "")
        (sample, *_) = query(client, name)
        # An empty label is none: a finding need not be about an account.
        assert set(sample["metric"]) | {"account"} == {"__name__", "job", "instance", "account", *metric.labels}


def _names(client: httpx.Client) -> set[str]:
    answer = client.get("/label/__name__/values").json()["data"]
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in answer if name.startswith("renderwatch_")}


def _rows(client: httpx.Client, url: str, target: dict[str, Any]) -> list[Any]:
    if target["datasource"]["type"] == "prometheus":
        return query(client, target["expr"].replace("$__rate_interval", "1m"))
    statement = re.sub(r"\$__timeFilter\((.*?)\)", r"\1 BETWEEN now() - interval '30 days' AND now()", target["rawSql"])
    database = Database(url)
    try:
        with database.read() as connection:
            return list(connection.exec_driver_sql(statement.replace("%", "%%")))
    finally:
        database.close()


def test_panels_ask_sources_that_are_provisioned_and_views_that_readers_may_see(postgres_url: str) -> None:
    known = {(source["type"], source["uid"]) for source in SOURCES}
    tables = set()
    for _, panel in PANELS:
        for target in panel["targets"]:
            assert (target["datasource"]["type"], target["datasource"]["uid"]) in known
            tables |= set(re.findall(r"\bFROM (\w+)", target.get("rawSql", "")))
    role = "rwtest_" + postgres_url.rpartition("_")[2]
    database = Database(postgres_url)
    try:
        with database.write() as connection:
            grant_reader(connection, role)
            for table in tables:
                allowed = "SELECT has_table_privilege(%s, %s, 'SELECT')"
                assert connection.exec_driver_sql(allowed, (role, table)).scalar(), table
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")
    finally:
        database.close()


@pytest.mark.parametrize("path", DASHBOARDS, ids=[path.stem for path in DASHBOARDS])
def test_a_dashboard_is_in_good_order(path: Path) -> None:
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    assert dashboard["uid"] == f"renderwatch-{path.stem}"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
