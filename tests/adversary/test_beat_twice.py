"""Two beats send each task twice: both runs at the same moment succeed, and do together what one does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, fill, make_due, stored, track
from worker.domain.deliveries.attempt import Attempt
from worker.domain.scheduling.durations import Durations
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.models import TrackedProject
from worker.tracking.clients import Clients
from worker.tracking.deliver import deliver
from worker.tracking.dispatch import dispatch
from worker.tracking.learn_durations import learn_durations
from worker.tracking.maintenance import run_maintenance

PROJECTS = 40
SETTINGS = Settings(magic_hour_api_key="any", magic_hour_base_url="http://127.0.0.1:9")  # type: ignore[arg-type]


def _at_once(work: Callable[[], Any]) -> list[Any]:
    """Do it four times at the same moment, and return what each returned."""
    ready = Barrier(4)

    def run() -> Any:  # noqa: ANN401  whatever the task returns
        ready.wait(30)
        return work()

    with ThreadPoolExecutor(4) as pool:
        return [each.result(60) for each in [pool.submit(run) for _ in range(4)]]


def test_dispatch_claims_each_project_once(database: Database) -> None:
    track(database, *range(1, PROJECTS + 1))
    fill(database, SETTINGS.burst)
    make_due(database)
    claimed = _at_once(lambda: dispatch(database, SETTINGS, Durations(), lambda _batch: None))
    assert sum(claimed) <= PROJECTS
    assert sum(row["lease_token"] is not None for row in stored(database, TrackedProject)) == sum(claimed) > 0
    assert_sound(database, ROUTES)


@pytest.mark.parametrize("task", ["deliver", "learn", "upkeep"])
def test_the_others_do_no_harm_to_each_other(database: Database, task: str) -> None:
    track(database, 1, 2)
    clients = Clients(SETTINGS)
    works: dict[str, Callable[[], object]] = {
        "deliver": lambda: deliver(database, SETTINGS, lambda deliveries, _: [Attempt()] * len(deliveries)),
        "learn": lambda: learn_durations(database),
        "upkeep": lambda: run_maintenance(database, SETTINGS, clients),
    }
    _at_once(works[task])
    clients.close()
    assert_sound(database, ROUTES)
