"""Everything fails at once, in every stack, and nothing is lost, doubled, miscounted or given away.

CI runs a short version. ``make chaos`` runs a long one: CHAOS_FAULTS says how many faults there shall be in all, and
CHAOS_SEED another order of them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.chaos.run import Outcome, run
from tests.chaos.stacks import Place, embedded_stack, rabbitmq_stack, redis_stack
from tests.chaos.table import table
from tests.chaos.world import World
from tests.conftest import SUMMARY
from tests.support.services import Broker
from worker.simulator import FAULTS, SimulatorOptions, running_simulator

FAULTS_IN_ALL: Final = int(os.environ.get("CHAOS_FAULTS", "66"))
_SHORT: Final = 100  # faults in all, up to which outages are short too
SEED: Final = int(os.environ.get("CHAOS_SEED", "1"))
SHARES: Final = {"redis": 0.42, "rabbitmq": 0.33, "embedded": 0.25}
OPTIONS: Final = SimulatorOptions(
    seed=SEED, time_scale=40, failure_rate=0.2, cancel_rate=0.1, late_refund_rate=0.5, no_refund_rate=0.1
)

pytestmark = pytest.mark.timeout(300 + 20 * FAULTS_IN_ALL)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with running_simulator(OPTIONS) as simulator:
        yield Place(tmp_path, Random(SEED), simulator)  # noqa: S311  a schedule that can be repeated


def _share(stack: str) -> int:
    return round(FAULTS_IN_ALL * SHARES[stack])


def _holds(stack: str, place: Place, running: AbstractContextManager[World], show: Callable[[str], None]) -> None:
    faults = _share(stack)
    with running as world:
        world.outage = 120.0 if FAULTS_IN_ALL > _SHORT else 20.0
        outcome: Outcome = run(world, place, SEED, faults, projects=max(50, faults))
    show(table(outcome))
    assert {name: places[:10] for name, places in outcome.broken.items() if places} == {}
    assert outcome.injected.total() >= faults
    assert set(outcome.api_faults) == set(FAULTS)


@pytest.fixture
def show(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Shows a text at the end of the test run, whichever process ran the test."""
    return partial(record_property, SUMMARY)


def test_postgresql_and_redis(place: Place, postgres_url: str, show: Callable[[str], None]) -> None:
    _holds("redis", place, redis_stack(place, postgres_url), show)


def test_postgresql_and_rabbitmq(
    place: Place, postgres_url: str, rabbitmq_service: Broker, show: Callable[[str], None]
) -> None:
    _holds("rabbitmq", place, rabbitmq_stack(place, postgres_url, rabbitmq_service), show)


def test_sqlite_and_the_embedded_broker(place: Place, show: Callable[[str], None]) -> None:
    _holds("embedded", place, embedded_stack(place), show)


def test_there_are_enough_faults() -> None:
    assert sum(map(_share, SHARES)) >= 50
