"""Time each view and each documented query with ever more projects: ``make bench-readers``.

It makes databases of its own at TEST_POSTGRES_URL and drops them. What is timed is the best of some runs with
everything in memory, all rows fetched; parallel workers are off, so that figures compare. A view that holds everything
is asked as a dashboard asks it: for some days, for a project, or for the latest rows.
"""

import argparse
import re
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from benchmarks.readers.fill import fill
from tests.store.readers.documented import documented
from tests.support.services import postgres_database, postgres_server
from worker.store.engine import Database
from worker.store.models.dictionary import VIEWS
from worker.store.schema import migrate
from worker.tracking.maintenance import close_past_days

_RUNS: Final = 3
_DAYS: Final = 30
# How a dashboard asks views that hold everything. Others are asked for all their rows.
_ASKED: Final = {
    "projects": "finished_at >= :day ORDER BY finished_at DESC LIMIT 100",
    "transitions": "kind = 'video' AND project_id = :project",
    "credit_ledger": "kind = 'video' AND project_id = :project",
    "project_timeline": "kind = 'video' AND project_id = :project",
    "project_metadata": "kind = 'video' AND project_id = :project",
    "project_downloads": "kind = 'video' AND project_id = :project",
    "credit_spend_daily": "day >= :day",
    "credit_ledger_metadata": "kind = 'video' AND project_id = :project",
    "account_balances": "observed_at >= :day",
    "failures": "finished_at >= :day ORDER BY finished_at DESC LIMIT 100",
    "detection_delays": "finished_at >= :day ORDER BY finished_at DESC LIMIT 100",
    "event_feed": "feed_position > 1",
}
Times = dict[str, list[tuple[float, int]]]


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    sizes = parser.parse_args().sizes
    times: Times = {}
    with tempfile.TemporaryDirectory() as folder, postgres_server(Path(folder)) as server:
        for size in sizes:
            with postgres_database(server) as url:
                _measure(url, size, times)
    _print(sizes, times)


def _measure(url: str, size: int, times: Times) -> None:
    database = Database(url)
    migrate(database)
    begin = time.perf_counter()
    with database.write() as connection:
        fill(connection, size)
    filled = time.perf_counter()
    close_past_days(database)
    booked = time.perf_counter()
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("SET max_parallel_workers_per_gather = 0"))
        print(
            f"{size} projects: filled in {filled - begin:.0f} s, a year booked in {booked - filled:.1f} s", flush=True
        )
        for name, query in _questions(size).items():
            times.setdefault(name, []).append(_ask(connection, query))
    database.close()


def _questions(size: int) -> dict[str, str]:
    """Every view and every documented query, with days and ids that exist here."""
    day = (datetime.now(UTC) - timedelta(days=_DAYS)).date()
    project = f"'p{size // 2 // 10 * 10:012}'"
    questions = {}
    for view in VIEWS:
        where = _ASKED.get(view, "true").replace(":day", f"'{day}'").replace(":project", project)
        questions[f"`{view}`"] = f"SELECT * FROM {view} WHERE {where}"  # noqa: S608  our own names
    for query in documented():
        sql = re.sub(r"'2026-09-01( [^']*)?'|'2026-09-15'", f"'{day}'", query.sql)
        sql = sql.replace("'2026-09-03'", f"'{day + timedelta(days=2)}'").replace("'zeta'", "'customer-77'")
        sql = re.sub(r"'project-\d+'", project, sql).replace("> (6, '00000000", "> (1, '00000000")
        questions[query.title] = sql
    return questions


def _ask(connection: Connection, query: str) -> tuple[float, int]:
    best, rows = float("inf"), 0
    for _ in range(_RUNS):
        begin = time.perf_counter()
        rows = len(connection.execute(text(query.replace(":", "\\:"))).all())
        best = min(best, time.perf_counter() - begin)
        if best > 2:
            break
    return best * 1000, rows


def _print(sizes: list[int], times: Times) -> None:
    print(f"\n| | {' | '.join(f'{size:,}' for size in sizes)} | rows |")
    print("|---|" + "---:|" * (len(sizes) + 1))
    for name, measured in times.items():
        cells = " | ".join(f"{milliseconds:.1f} ms" for milliseconds, _ in measured)
        print(f"| {name} | {cells} | {', '.join(f'{rows:,}' for _, rows in measured)} |")


if __name__ == "__main__":
    main()
