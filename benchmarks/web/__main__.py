"""How long each page and endpoint takes with many projects: ``make bench-web``.

It makes a PostgreSQL database of its own on the server of TEST_POSTGRES_URL, fills it, asks a web process in this
machine's loopback for every page some times, and prints the median and the slowest.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from benchmarks.web.seed import seed, tidy
from tests.support.services import postgres_database, postgres_server
from worker.domain.access_tokens import SCOPES
from worker.store.access_tokens import create_token
from worker.store.engine import Database
from worker.store.projects.search import Search, find_projects
from worker.store.schema import migrate
from worker.tracking.learn_durations import learn_durations

PAGES: Final = (
    "/", "/projects", "/projects?state=closed", "/projects?state=open&sort=due", "/projects?sort=credits",
    "/projects?sort=finished", "/projects?text=Summer", "/projects?text=nothing+like+it", "/projects?text=order:4711",
    "/problems", "/projects?only=stalled", "/projects?only=refund_outstanding&finished=30d&sort=finished",
    "/projects?type=LIP_SYNC&status=error", "/projects/{project}", "/credits?period=24h", "/credits",
    "/credits?period=30d", "/credits?by=customer", "/deliveries", "/deliveries?state=dead", "/failures?period=24h",
    "/failures", "/failures?period=30d", "/accounts", "/check-times", "/settings", "/audit", "/v1/projects",
    "/v1/projects?limit=500", "/v1/projects/{project}", "/v1/projects/{project}/history",
    "/v1/projects/{project}/credits", "/v1/deliveries", "/v1/accounts",
)  # fmt: skip
LIMIT: Final = 0.3


@contextmanager
def serving(variables: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Run a web process on a database; give its address."""
    command = [sys.executable, "-m", "worker.web"]
    root = Path(__file__).parents[2]
    full = {**os.environ, **variables, "RENDERWATCH_WEB_PORT": "0", "PYTHONPATH": str(root)}
    process = subprocess.Popen(command, env=full, cwd=folder, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own
    try:
        line = process.stdout.readline() if process.stdout else ""
        if ": http" not in line:
            raise SystemExit("the web process did not start")
        yield line.split(": ", 1)[1].strip()
    finally:
        process.terminate()
        process.wait(30)


def measure(client: httpx.Client, path: str, rounds: int) -> list[float]:
    """Return the seconds that each of some answers took."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        answer = client.get(path)
        times.append(time.perf_counter() - started)
        if answer.status_code != httpx.codes.OK:
            raise SystemExit(f"{path} answered {answer.status_code}")
    return times


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--projects", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=365)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_server(Path(folder)) as server,
        postgres_database(server) as url,
    ):
        database = Database(url)
        migrate(database)
        started = time.perf_counter()
        with database.write() as connection:
            seed(connection, given.projects, given.days)
        tidy(database.engine)
        learn_durations(database)
        with database.write() as connection:
            token = create_token(connection, "benchmark", SCOPES, "benchmark")
        with database.read() as connection:
            (row,) = find_projects(connection, Search(statuses=["complete"]), 1).rows
        print(f"{given.projects:,} projects of {given.days:g} days, made in {time.perf_counter() - started:.0f} s\n")
        with serving({"DATABASE_URL": url, "MAGIC_HOUR_API_KEY": "benchmark"}, Path(folder)) as address:
            _report(address, token, f"{row['kind']}/{row['project_id']}", given.rounds)
        database.close()


def _report(address: str, token: str, project: str, rounds: int) -> None:
    with httpx.Client(
        base_url=address, trust_env=False, timeout=120, headers={"authorization": f"Bearer {token}"}
    ) as client:
        client.post("/login", data={"token": token})
        print(f"{'':46}{'median ms':>10}{'slowest ms':>12}")
        slow = 0
        for path in PAGES:
            times = measure(client, path.replace("{project}", project), rounds)
            slow += max(times) >= LIMIT
            mark = "  over the limit" if max(times) >= LIMIT else ""
            print(f"{path:46}{statistics.median(times) * 1000:10.0f}{max(times) * 1000:12.0f}{mark}")
        print(f"\n{len(PAGES) - slow} of {len(PAGES)} always under {LIMIT * 1000:.0f} ms, the first time included")


if __name__ == "__main__":
    main()
