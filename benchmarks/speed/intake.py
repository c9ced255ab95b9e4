"""What it costs to hand over ten thousand ids in one call."""

import time
from typing import Final

from benchmarks.speed.machine import backends, cpu_of, spread
from tests.support.services import POSTGRES_URL, postgres_database
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.schema import migrate
from worker.tracking.intake.track import track

_IDS: Final = 10_000
_ROUNDS: Final = 3


def main() -> None:
    """Hand over new ids, then the same once more, and print what each time cost."""
    settings = Settings(magic_hour_api_key="any-key")  # type: ignore[arg-type]  # pydantic makes a secret of it
    costs: dict[str, list[float]] = {"new": [], "known": []}
    times: dict[str, list[float]] = {"new": [], "known": []}
    with postgres_database(POSTGRES_URL) as url:
        database = Database(url)
        migrate(database)
        for number in range(_ROUNDS):
            items = [
                {"kind": "video", "project_id": f"round-{number}-{n:05}", "credits_charged": 450} for n in range(_IDS)
            ]
            for name, each in costs.items():
                served = backends(url)
                began, ours, theirs = time.perf_counter(), time.process_time(), cpu_of(served)
                track(database, settings, items)
                times[name].append(time.perf_counter() - began)
                each.append(1000 * (time.process_time() - ours + cpu_of(served) - theirs) / _IDS)
        database.close()
    print(f"\n| {_IDS:,} ids in one call | seconds | ms of CPU per id, database included |\n|---|--:|--:|")
    for name, each in costs.items():
        print(f"| {name} | {spread(times[name])} | {spread(each)} |")


if __name__ == "__main__":
    main()
