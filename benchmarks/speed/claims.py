"""What it costs to claim 100 due projects, among ten thousand or a million, with one claimer or several.

As many are due at every size, so that the size alone tells; a last row has a tenth of a million due at once.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import psycopg

from benchmarks.speed.machine import backends, cpu_of
from tests.support.services import POSTGRES_URL, postgres_database
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.rate_limit import Limits
from worker.store.engine import Database
from worker.store.scheduling.claims import claim_due
from worker.store.schema import migrate

FILLED: Final = ((10_000, 2_000), (100_000, 2_000), (1_000_000, 2_000), (1_000_000, 100_000))  # open, and due of them
CLAIMERS: Final = (1, 4, 8)
_CLAIM: Final = 100
_ACCOUNTS: Final = 8  # a claimer works on the accounts that nobody else has locked
_ROUNDS: Final = 30
_LIMITS: Final = Limits(rate=0.001, burst=2 * _CLAIM)

# The due ones lie anywhere in the table, the others are spread over the next day; as many again are closed.
_FILL: Final = """
INSERT INTO tracked_projects (kind, project_id, account, state, close_reason, closed_at, status, credits_charged,
  downloads, metadata, notify, tracked_at, opened_at, next_check_at, check_count, failure_count, missing_count,
  transition_count, adjustment_count, event_count, closing_count)
SELECT 'video', 'project-' || lpad(n::text, 8, '0'), 'account-' || n / 2 %% 8,
  CASE WHEN open THEN 'active' ELSE 'closed' END,
  CASE WHEN open THEN NULL ELSE 'settled' END, CASE WHEN open THEN NULL ELSE now() END, 'rendering', 450,
  '[]', '{"order": 4711}', '{}', now(), now(),
  CASE WHEN due THEN now() - (n %% 300 + 1) * interval '1 s'
       WHEN open THEN now() + (n %% 86399 + 3600) * interval '1 s' END,
  10, 0, 0, 2, 1, 1, 0
FROM (SELECT n, n %% 2 = 0 AS open, n %% 2 = 0 AND (n / 16) %% (%(size)s / %(due)s) = 0 AS due
      FROM generate_series(0, 2 * %(size)s - 1) AS n) AS numbers
"""


@dataclass(frozen=True)
class Cost:
    """What 100 claims cost: milliseconds until they are committed, and the database's milliseconds of CPU."""

    took: float
    cpu: float


class Claimers:
    """Some claimers of one database."""

    def __init__(self, stack: ExitStack, url: str, count: int) -> None:
        """Connect them, and have their statements prepared."""
        self._server = stack.enter_context(psycopg.connect(url, autocommit=True))
        self._databases = [Database(url) for _ in range(count)]
        for database in self._databases:
            stack.callback(database.close)
        self._pool = stack.enter_context(ThreadPoolExecutor(count))
        self._claimed, self._took = 0, 0.0
        for _ in range(5):
            self.claim()
        self._server.execute("VACUUM tracked_projects, leases")  # as autovacuum would by then, but not amid it
        self._served = [process for process in backends(url) if process != self._server.info.backend_pid]
        self._claimed, self._took, self._before = 0, 0.0, cpu_of(self._served)

    def claim(self) -> None:
        """Let all claim at once what every account has to claim."""
        _give_back(self._server)
        started = time.perf_counter()
        self._claimed += sum(self._pool.map(_claim, self._databases))
        self._took += time.perf_counter() - started

    def cost(self) -> Cost:
        """Tell what it has cost since they are ready."""
        cpu = cpu_of(self._served) - self._before
        hundreds = self._claimed / _CLAIM
        return Cost(1000 * self._took / hundreds, 1000 * cpu / hundreds)


def measure(urls: Sequence[str], count: int) -> list[Cost]:
    """Return what 100 claims cost in each database, with so many claimers. The databases take turns."""
    with ExitStack() as stack:
        each = [Claimers(stack, url, count) for url in urls]
        for _ in range(_ROUNDS):
            for claimers in each:
                claimers.claim()
        return [claimers.cost() for claimers in each]


def _filled(stack: ExitStack, size: int, due: int) -> str:
    url = stack.enter_context(postgres_database(POSTGRES_URL))
    database = Database(url)
    migrate(database)
    database.close()
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(
            "INSERT INTO accounts (name, tokens, refilled_at, rate_factor, failure_streak)"
            " SELECT 'account-' || n, 0, now(), 1, 0 FROM generate_series(0, %s) AS n",
            (_ACCOUNTS - 1,),
        )
        server.execute(_FILL, {"size": size, "due": due})
        server.execute("VACUUM ANALYZE tracked_projects")
        server.execute("CHECKPOINT")
    return url


def _claim(database: Database) -> int:
    with database.write() as connection:
        batches = claim_due(
            connection, _LIMITS, Durations(), lease_seconds=60, batch_size=_CLAIM, max_in_flight=_ACCOUNTS * _CLAIM
        )
    return sum(batch.size for batch in batches)


def _give_back(server: psycopg.Connection) -> None:
    """Make everything that was claimed due again, as a recording does, and give every account something to claim."""
    server.execute(
        "UPDATE tracked_projects SET lease_token = NULL, leased_until = NULL, claimed_at = NULL,"
        " next_check_at = now() WHERE lease_token IS NOT NULL"
    )
    server.execute("DELETE FROM leases")
    server.execute("UPDATE accounts SET tokens = %s, refilled_at = now()", (_CLAIM,))


def main() -> None:
    """Measure every size, and print the table."""
    with ExitStack() as stack:
        urls = [_filled(stack, size, due) for size, due in FILLED]
        found = {count: measure(urls, count) for count in CLAIMERS}
    print(f"| {_CLAIM} claims, of | " + " | ".join(f"{count} claimers" for count in CLAIMERS) + " |")
    print("|---|" + "--:|" * len(CLAIMERS))
    for place, (size, due) in enumerate(FILLED):
        pairs = [(costs[place], costs[0]) for costs in found.values()]
        cells = [
            f"{cost.took:.1f} ms ({cost.took / first.took:.2f}), {cost.cpu:.1f} of CPU ({cost.cpu / first.cpu:.2f})"
            for cost, first in pairs
        ]
        print(f"| {size:,} open projects, {due:,} due | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
