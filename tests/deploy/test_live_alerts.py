"""Faults in a running system: Prometheus fires the alert that names each of them, and no longer once it is mended."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import psycopg
from psycopg import sql

from tests.adversary.stand_in import refusal, stand_in
from tests.celery.world import hand_over, reading
from tests.store.world import name
from tests.support.processes import Programs, environment, free_port, wait_for
from tests.support.prometheus import prometheus, query
from tests.support.services import Broker

SETTINGS: Final = {
    "rate": 100,
    "burst": 200,
    "greatest_gap": 1,
    "dispatch_every": 0.2,
}
MAIN: Final = "from worker.cli.main import main; main(prog_name='renderwatch')"
# Silence of beat or dispatch is a finding after 30 s.
TIMEOUT: Final = 90
RUNNING: Final = {name(number): {"status": "rendering"} for number in range(2, 5)}
DEAD_BEAT: Final = ("RenderwatchDispatchStopped", "beat_down")
NO_WORKER: Final = ("RenderwatchDispatchStopped", "dispatch_not_run")
PAUSED: Final = ("RenderwatchAccountPaused", "account_paused")
NO_DATABASE: Final = ("RenderwatchDatabaseDown", None)
NOT_SCRAPED: Final = ("RenderwatchMetricsMissing", None)

Alert = tuple[str, str | None]


def firing(client: httpx.Client) -> set[Alert]:
    found = query(client, 'ALERTS{alertstate="firing"}')
    return {(each["metric"]["alertname"], each["metric"].get("code")) for each in found}


@contextmanager
def closed_to_all(url: str) -> Iterator[None]:
    """Let nobody connect to the database, and end the connections that there are."""
    server, _, database = url.partition("?")[0].rpartition("/")
    with psycopg.connect(f"{server}/postgres".replace("+psycopg", ""), autocommit=True) as admin:
        allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        try:
            admin.execute(allow.format(sql.Identifier(database), sql.SQL("false")))
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
            yield
        finally:
            admin.execute(allow.format(sql.Identifier(database), sql.SQL("true")))


def test_alerts_fire_when_something_breaks_and_resolve_when_it_is_mended(
    postgres_url: str, redis_service: Broker, tmp_path: Path
) -> None:
    port = free_port()
    with (
        stand_in() as api,
        Programs(tmp_path) as programs,
        reading(postgres_url) as store,
        prometheus(tmp_path, port, patience="1s") as client,
    ):
        api.bodies |= RUNNING
        variables = environment(
            postgres_url,
            redis_service,
            api.server.url,
            web_port=0,
            metrics_port=port,
            state_dir=str(tmp_path),
            **SETTINGS,
        )

        def web(number: int) -> Callable[[], object]:
            running = programs.start(f"web-{number}", ["-m", "worker.web"], variables)
            running.says("HTTP API and dashboard")
            return running.stop

        def renderwatch(*words: str) -> None:
            assert programs.start("-".join(words), ["-c", MAIN, *words], variables).ends(60) == 0

        def fires(*alerts: Alert) -> None:
            wait_for(lambda: set(alerts) <= firing(client), TIMEOUT, f"{alerts} fire", lambda: firing(client))

        def resolves(*alerts: Alert) -> None:
            wait_for(
                lambda: firing(client).isdisjoint(alerts), TIMEOUT, f"{alerts} are resolved", lambda: firing(client)
            )

        stop_web = web(1)
        beat = programs.beat(variables, "beat-1")
        worker = programs.worker(variables, "worker-1")
        hand_over(redis_service, {"projects": [{"kind": "video", "project_id": each} for each in [name(1), *RUNNING]]})
        checked = "SELECT count(*) FROM tracked_projects WHERE status IS NOT NULL"
        wait_for(lambda: store.value(checked) == 1 + len(RUNNING), 60, "all projects are checked")

        api.everything = refusal(401, "unauthorized", "the key was revoked")
        fires(PAUSED)
        api.everything = None
        renderwatch("accounts", "--resume", "default")
        resolves(PAUSED)

        with closed_to_all(postgres_url):
            fires(NO_DATABASE)
        resolves(NO_DATABASE)

        beat.kill()
        fires(DEAD_BEAT)
        assert NO_WORKER not in firing(client)
        worker.stop()
        programs.beat(variables, "beat-2")
        fires(NO_WORKER)
        resolves(DEAD_BEAT)
        programs.worker(variables, "worker-2")
        resolves(NO_WORKER)

        stop_web()
        fires(NOT_SCRAPED)
        web(2)
        resolves(NOT_SCRAPED)
