"""Worker and beat notice that work does not move, say why, and end when that lasts."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.celery.test_commands import renderwatch
from tests.celery.world import reading
from tests.store.world import track
from tests.support.processes import Programs, environment
from tests.support.services import Broker
from worker.domain.monitoring.facts import AccountFacts, Facts
from worker.domain.monitoring.health import Health, judge
from worker.store.engine import StoreUnavailableError
from worker.tasks.processes import main_loop_heartbeat
from worker.tasks.processes.watchdog import EXIT_CODE, Process, Watchdog, _reason_to_end

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def account(due: int) -> AccountFacts:
    return AccountFacts("default", has_key=True, due=due, due_since=ago(100) if due else None)


MOVING = judge(Facts(NOW, last_beat=NOW, last_dispatch=NOW, last_check=NOW, accounts=[account(1)]))
NOT_DISPATCHED = judge(Facts(NOW, last_beat=NOW, last_dispatch=ago(100), accounts=[account(1)]))
IDLE = judge(Facts(NOW, last_beat=NOW, last_dispatch=ago(100), accounts=[account(0)]))
NO_BEAT = judge(Facts(NOW, last_beat=ago(100), last_dispatch=ago(100), accounts=[account(1)]))
NO_CONSUMER = judge(
    Facts(NOW, last_beat=NOW, last_dispatch=NOW, last_check=ago(100), unstarted_leases=1, accounts=[account(1)])
)


class Watched:
    """A watchdog whose clock moves by ten seconds with each look."""

    def __init__(self, process: Process) -> None:
        self.now = 0.0
        self.health: Health | None = MOVING
        self.watchdog = Watchdog(process, 60, self._read, lambda: self.now)

    def _read(self) -> Health:
        if self.health is None:
            raise StoreUnavailableError("away")
        return self.health

    def look(self, health: Health | None, times: int) -> list[str | None]:
        self.health = health
        found = []
        for _ in range(times):
            self.now += 10
            reason = self.watchdog.look()
            found.append(reason.code if reason else None)
        return found


@pytest.mark.parametrize(
    ("process", "health", "code"),
    [
        ("worker", NOT_DISPATCHED, "dispatch_not_run"),
        ("worker", NO_CONSUMER, "checks_not_consumed"),
        ("worker", NO_BEAT, None),
        ("worker", IDLE, None),
        ("worker", None, None),
        ("beat", NOT_DISPATCHED, "dispatch_not_run"),
        ("beat", NO_BEAT, "beat_down"),
        ("beat", NO_CONSUMER, None),
    ],
)
def test_a_process_ends_for_what_it_may_be_to_blame_for_and_after_the_timeout(
    process: Process, health: Health | None, code: str | None
) -> None:
    watched = Watched(process)
    assert watched.look(MOVING, 20) == [None] * 20
    assert watched.look(health, 6) == [None] * 6
    assert watched.look(health, 2) == [code] * 2


@pytest.mark.parametrize("meanwhile", [MOVING, None])
def test_counting_starts_again_after_progress_and_after_the_database_was_away(meanwhile: Health | None) -> None:
    watched = Watched("worker")
    watched.look(NOT_DISPATCHED, 6)
    watched.look(meanwhile, 1)
    assert watched.look(NOT_DISPATCHED, 6) == [None] * 6


def test_what_lasts_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    watched = Watched("beat")
    watched.look(NO_CONSUMER, 5)
    watched.look(MOVING, 3)
    first, last = caplog.messages
    assert "the queue renderwatch.checks has no consumer" in first
    assert "renderwatch worker -Q renderwatch.checks" in first
    assert last == "resolved: checks_not_consumed"


@pytest.mark.parametrize("process", ["worker", "beat"])
def test_a_main_loop_that_stands_still_ends_the_process(monkeypatch: pytest.MonkeyPatch, process: Process) -> None:
    watchdog = Watched(process).watchdog
    for silent, ends in ((0, False), (290, False), (310, True)):
        monkeypatch.setitem(main_loop_heartbeat._beat_at, process, time.monotonic() - silent)
        assert bool(_reason_to_end(process, 300, watchdog)) == ends
    monkeypatch.setitem(main_loop_heartbeat._beat_at, process, time.monotonic() - 30)
    assert _reason_to_end(process, 2, watchdog) is None  # it beats every five seconds at best


def test_checks_without_a_consumer_are_named_within_a_minute_and_end_the_worker(
    postgres_url: str, redis_service: Broker, programs: Programs
) -> None:
    variables = environment(postgres_url, redis_service, "http://127.0.0.1:9", watchdog_after=20)
    with reading(postgres_url) as store:
        track(store.database, 1)
    worker = renderwatch(programs, variables, "worker", "-c", "1", "-Q", "renderwatch.upkeep")
    beat = renderwatch(programs, variables, "beat")
    worker.says("the queue renderwatch.checks has no consumer", timeout=60)
    beat.says("the queue renderwatch.checks has no consumer", timeout=20)
    assert worker.ends(60) == EXIT_CODE
    assert "no progress for 20 s while projects are due" in worker.log
    assert beat.process.poll() is None
