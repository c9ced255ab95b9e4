"""How large tables get under many claims and recordings, and what these cost, by the room that pages are left with.

python -m benchmarks.speed.bloat [--checks 1000000] [--projects 20000] [--fill-factors 100 85 70 50]

Nothing is requested: every project is claimed, begun and found unchanged, again and again. The table is vacuumed as
often as autovacuum would with the settings of the migration, so that the server's own do not matter.
"""

import argparse
import time
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from benchmarks.speed.machine import backends, cpu_of
from tests.support.services import POSTGRES_URL, postgres_database
from worker.domain.projects.observation import Observation
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.rate_limit import Limits
from worker.domain.scheduling.schedule import Plan
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.projects.recording import record_batch
from worker.store.scheduling.claims import claim_due
from worker.store.scheduling.leases import begin_batch
from worker.store.schema import migrate
from worker.tracking.intake.track import track

_BATCH: Final = 100
_ROUND: Final = 2_000
_VACUUM_AFTER: Final = 0.05  # of the rows, as the migration has it
_LIMITS: Final = Limits(rate=1e9, burst=2 * 10**9)
_PLAN: Final = Plan(least_gap=0.5, greatest_gap=0.5)
_METADATA: Final = {"order": 4711, "customer": "customer-0815", "workspace": "studio-berlin"}


def measure(fill_factor: int, projects: int, checks: int) -> dict[str, float]:
    """Check so often, and return what became of the table, and what it cost."""
    with postgres_database(POSTGRES_URL) as url, psycopg.connect(url, autocommit=True) as server:
        database = Database(url)
        migrate(database)
        server.execute(f"ALTER TABLE tracked_projects SET (fillfactor = {fill_factor}, autovacuum_enabled = off)")
        settings = Settings(magic_hour_api_key="any-key")  # type: ignore[arg-type]  # pydantic makes a secret of it
        for start in range(0, projects, 5_000):
            ids = range(start, min(start + 5_000, projects))
            items = [{"kind": "video", "project_id": f"p-{n:08}", "credits_charged": 450} for n in ids]
            track(database, settings, [item | {"metadata": _METADATA} for item in items])
        for _ in range(2):  # every project was seen to render, and there is what it looks like then
            _check(database, projects)
            server.execute("VACUUM FULL tracked_projects")
            server.execute("ANALYZE tracked_projects")
        server.execute("SELECT pg_stat_reset()")
        before, served = _sizes(server), backends(url)
        cost, taken, done = cpu_of(served), 0.0, 0
        while done < checks:
            done += _check(database, _ROUND)
            if done // (2 * _VACUUM_AFTER * projects) != taken:
                taken = done // (2 * _VACUUM_AFTER * projects)
                server.execute("VACUUM tracked_projects")
                server.execute("VACUUM leases")
        cost = cpu_of(served) - cost
        after, hot = _sizes(server), _hot(server)
        database.close()
    return {
        "hot": hot,
        "cpu": 1000 * cost / done,
        "first": before["table"],
        "table": after["table"] / before["table"],
        "indexes": after["indexes"] / before["indexes"],
    }


def _check(database: Database, most: int) -> int:
    """Claim what is due and record that nothing has changed."""
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE accounts SET tokens = 1e9")
        batches = claim_due(connection, _LIMITS, Durations(), lease_seconds=60, batch_size=_BATCH, max_in_flight=most)
    if not batches:
        time.sleep(0.02)
    for batch in batches:
        with database.write() as connection:
            lease = begin_batch(connection, batch.token)
        if lease is None:
            raise RuntimeError("a lease went by: the machine is too slow for this benchmark")
        answers: dict[int, Any] = {claim.id: _seen(claim.project_id) for claim in lease.claims}
        with database.write() as connection:
            record_batch(connection, lease, answers, _PLAN, {})
    return sum(batch.size for batch in batches)


def _seen(project_id: str) -> Observation:
    return Observation(
        project_id=project_id,
        status="rendering",
        credits_charged=450,
        enabled=True,
        created_at=datetime(2026, 9, 1, 10, tzinfo=UTC),
        type="TEXT_TO_VIDEO",
        name="My video",
        width=512,
        height=960,
        fps=30.0,
    )


def _sizes(server: Any) -> dict[str, float]:  # noqa: ANN401  a connection
    query = "SELECT pg_table_size('tracked_projects'), pg_indexes_size('tracked_projects')"
    table, indexes = server.execute(query).fetchone()
    return {"table": table / 2**20, "indexes": indexes / 2**20}


def _hot(server: Any) -> float:  # noqa: ANN401  as above
    server.execute("SELECT pg_stat_clear_snapshot()")
    query = "SELECT n_tup_hot_upd::float / n_tup_upd FROM pg_stat_user_tables WHERE relname = 'tracked_projects'"
    return float(server.execute(query).fetchone()[0])


def main() -> None:
    """Measure each fill factor, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=1_000_000)
    parser.add_argument("--projects", type=int, default=20_000)
    parser.add_argument("--fill-factors", type=int, nargs="+", default=[100, 85, 70, 50])
    given = parser.parse_args()
    print(f"{given.checks:,} checks of {given.projects:,} projects\n")
    print("| fill factor | heap-only updates | database CPU, ms | table at first, MiB | then, times | indexes, times |")
    print("|---|--:|--:|--:|--:|--:|")
    for fill_factor in given.fill_factors:
        found = measure(fill_factor, given.projects, given.checks)
        print(
            f"| {fill_factor} | {found['hot']:.0%} | {found['cpu']:.3f} | {found['first']:.1f}"
            f" | {found['table']:.2f} | {found['indexes']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
