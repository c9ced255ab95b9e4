"""PostgreSQL with a standby: a failover that leaves connections alive to a server that has become read-only."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.journeys.journey import Journey, travelling
from tests.support.judge import Allowed
from tests.support.postgres_cluster import MovableAddress, PostgresServer, primary_and_standby
from tests.support.processes import wait_for
from tests.support.services import Broker
from worker.simulator import SimulatorOptions, running_simulator

# How long the whole may take to notice, connect anew and work on.
_HEALS: Final = 20.0
_LONG: Final = SimulatorOptions(seed=3, time_scale=2, failure_rate=0, cancel_rate=0, late_refund_rate=0)
_EXPECTED: Final = (
    Allowed(r"database unavailable|is read-only|read-only transaction", "the database takes no writes for a while"),
)


@dataclass(frozen=True)
class Pair:
    """A primary, a standby, and the address by which Renderwatch knows them."""

    primary: PostgresServer
    standby: PostgresServer
    address: MovableAddress

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.address.port}/postgres"


@pytest.fixture
def pair() -> Iterator[Pair]:
    with primary_and_standby() as (primary, standby):
        address = MovableAddress(primary.port)
        yield Pair(primary, standby, address)
        address.close()


def _checks(server: PostgresServer) -> int:
    return int(str(server.value("SELECT coalesce(sum(check_count), 0) FROM tracked_projects")))


def _work_goes_on(server: PostgresServer, seconds: float = _HEALS) -> None:
    before = _checks(server)
    wait_for(lambda: _checks(server) > before + 5, seconds, "checks are recorded again")


def _start(journey: Journey) -> None:
    journey.run("migrate")
    journey.start_all()
    journey.allowed += _EXPECTED
    journey.create(5, "/v1/lip-sync")


def test_a_server_that_is_read_only_for_a_while(pair: Pair, tmp_path: Path, redis_service: Broker) -> None:
    with (
        running_simulator(_LONG) as simulator,
        travelling(tmp_path / "run", pair.url, redis_service, simulator, reader_url=pair.primary.url) as journey,
    ):
        _start(journey)
        _work_goes_on(pair.primary)
        with journey.watch.broken(_HEALS):
            pair.primary.set_read_only(read_only=True)
            time.sleep(4)  # long enough for each process to meet it
            said = journey.refuses("track", "cmb1xk2v80000l70")
            pair.primary.set_read_only(read_only=False)
        assert "read-only" in said
        _work_goes_on(pair.primary)


def test_a_failover_with_connections_that_survive_it(pair: Pair, tmp_path: Path, redis_service: Broker) -> None:
    with (
        running_simulator(_LONG) as simulator,
        travelling(tmp_path / "run", pair.url, redis_service, simulator, reader_url=pair.primary.url) as journey,
    ):
        _start(journey)
        _work_goes_on(pair.primary)
        # New connections are led to the standby for some seconds; those that are open lose their server.
        with journey.watch.broken(_HEALS):
            pair.address.target = pair.standby.port
            pair.primary.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'renderwatch%'"
            )
            time.sleep(4)
            pair.address.target = pair.primary.port
        _work_goes_on(pair.primary)
        # The standby becomes the primary. The old one lives on, read-only, with all connections that it had.
        with journey.watch.broken(float("inf")):
            pair.primary.set_read_only(read_only=True)
            position = pair.primary.value("SELECT pg_current_wal_lsn()::text")
            caught_up = f"SELECT pg_last_wal_replay_lsn() >= '{position}'"
            wait_for(lambda: pair.standby.value(caught_up), 20, "the standby has everything")
            pair.standby.promote()
            pair.address.target = pair.standby.port
            _work_goes_on(pair.standby)
