"""PgBouncer in transaction mode between everything and PostgreSQL."""

from pathlib import Path

from sqlalchemy import text

from tests.journeys.journey import travelling
from tests.support.pgbouncer import pgbouncer
from tests.support.services import Broker
from worker.simulator import Simulator
from worker.store.engine import Database


def test_everything_works_through_pgbouncer(
    tmp_path: Path, postgres_url: str, redis_service: Broker, simulator: Simulator
) -> None:
    with (
        pgbouncer(postgres_url) as pooled,
        travelling(tmp_path / "run", pooled, redis_service, simulator, reader_url=postgres_url) as journey,
    ):
        journey.start("worker-2", "worker", "--hostname", "second@%h")
        journey.start("beat-2", "beat")
        journey.start("web", "web").says("http://127.0.0.1:", 30)
        journey.whole(30)
        assert "45 %" not in journey.run("list")
        journey.run("credits", "report", "--by", "day")


def test_time_outs_and_utc_are_kept_through_pgbouncer(postgres_url: str) -> None:
    with pgbouncer(postgres_url, pool_size=2) as pooled:
        direct, through = Database(postgres_url), Database(pooled)
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
        for _ in range(5):
            for transaction in (Database.read, Database.write):
                with transaction(direct) as wanted, transaction(through) as found:
                    for name in names:
                        show = text(f"SHOW {name}")
                        assert found.scalar(show) == wanted.scalar(show), name
                        assert found.scalar(show) not in {"0", "Etc/Nowhere"}, name
        direct.close()
        through.close()
