"""What it costs to claim 100 due projects, among ten thousand or a million, with one claimer or several."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psycopg

from benchmarks.speed.machine import backends, cpu_of
from tests.support.services import POSTGRES_URL, postgres_database
from worker.domain.allowance import Limits
from worker.domain.durations import Durations
from worker.store.claims import claim_due
from worker.store.engine import Database
from worker.store.schema import migrate

SIZES: Final = (10_000, 100_000, 1_000_000)
CLAIMERS: Final = (1, 4, 8)
_CLAIM: Final = 100
_ACCOUNTS: Final = 8  # a claimer works on the accounts that nobody else has locked
_LIMITS: Final = Limits(rate=0.001, burst=2 * _CLAIM)

# One in a hundred is due, the others are spread over the next days; as many again are closed.
_FILL: Final = """
INSERT INTO tracked_projects (kind, project_id, account, state, close_reason, closed_at, status, credits_charged,
  downloads, metadata, notify, tracked_at, opened_at, next_check_at, check_count, failure_count, missing_count,
  transition_count, adjustment_count, event_count, closing_count)
SELECT 'video', 'project-' || lpad(n::text, 8, '0'), 'account-' || n %% 8,
  CASE WHEN open THEN 'active' ELSE 'closed' END,
  CASE WHEN open THEN NULL ELSE 'settled' END, CASE WHEN open THEN NULL ELSE now() END, 'rendering', 450,
  '[]', '{{"order": 4711}}', '{{}}', now(), now(),
  CASE WHEN open THEN now() + (CASE WHEN n %% 100 < 2 THEN -1 ELSE 1 END) * (n %% 99991 + 60) * interval '1 s' END,
  10, 0, 0, 2, 1, 1, 0
FROM (SELECT n, n / 8 %% 2 = 0 AS open FROM generate_series(1, %(count)s) AS n) AS numbers
""".replace("{{", "{").replace("}}", "}")


def measure(size: int, rounds: int = 40) -> dict[int, tuple[float, float]]:
    """Return for each number of claimers the milliseconds and the database's CPU milliseconds for 100 claims."""
    with postgres_database(POSTGRES_URL) as url:
        database = Database(url)
        migrate(database)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO accounts (name, tokens, refilled_at, rate_factor, failure_streak)"
                " SELECT 'account-' || n, 0, now(), 1, 0 FROM generate_series(0, %s) AS n",
                (_ACCOUNTS - 1,),
            )
            connection.execute(_FILL, {"count": 2 * size})
            connection.execute("VACUUM ANALYZE tracked_projects")
        found = {claimers: _claimed(database, url, claimers, rounds) for claimers in CLAIMERS}
        database.close()
        return found


def _claimed(database: Database, url: str, claimers: int, rounds: int) -> tuple[float, float]:
    def claim(_: int) -> int:
        with database.write() as connection:
            batches = claim_due(
                connection, _LIMITS, Durations(), lease_seconds=60, batch_size=_CLAIM, max_in_flight=_ACCOUNTS * _CLAIM
            )
        return sum(batch.size for batch in batches)

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM tracked_projects")  # as autovacuum does by then, but not in the middle of it
    taken, cost, took = 0, 0.0, 0.0
    with ThreadPoolExecutor(claimers) as pool:
        list(pool.map(claim, range(2 * claimers)))  # their connections are there, and their statements prepared
        for _ in range(rounds):
            _give_back(url)
            processes = backends(url)
            before, started = cpu_of(processes), time.perf_counter()
            taken += sum(pool.map(claim, range(claimers)))
            took += time.perf_counter() - started
            cost += cpu_of(processes) - before
    each = taken / _CLAIM
    return 1000 * took / each, 1000 * cost / each


def _give_back(url: str) -> None:
    """Make everything that was claimed due again, as a recording does, and give every account something to claim."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "UPDATE tracked_projects SET lease_token = NULL, leased_until = NULL, claimed_at = NULL,"
            " next_check_at = now() - interval '10 s' WHERE lease_token IS NOT NULL"
        )
        connection.execute("DELETE FROM leases")
        connection.execute("UPDATE accounts SET tokens = %s, refilled_at = now()", (_CLAIM,))


def main() -> None:
    """Measure every size, and print the table."""
    print(f"| {_CLAIM} claims | " + " | ".join(f"{claimers} claimers" for claimers in CLAIMERS) + " |")
    print("|---|" + "--:|" * len(CLAIMERS))
    first: dict[int, tuple[float, float]] = {}
    for size in SIZES:
        found = measure(size)
        first = first or found
        cells = [f"{found[n][0]:.1f} ms, {found[n][1]:.1f} of CPU ({found[n][1] / first[n][1]:.2f})" for n in CLAIMERS]
        print(f"| {size:,} open projects | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
